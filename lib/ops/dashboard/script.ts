/**
 * The page's script. It is the source of functions that the server uses as well, so that the page that it sends and the page that the
 * browser keeps up to date cannot differ. Nothing has to be built: a function knows its own text, without the types.
 *
 * So each function below must be declared under the name by which the others call it, and use nothing but them, its arguments and what
 * every browser has. Tests run them in one.
 *
 * @module
 */
import { chartOptions, createChart, createNode, idOf, patch, patchChild, start } from "./browser.ts";
import { cardItem, cardsList, lagCard, momentCard, nowCards, queueCards, totalsCards } from "./cards.ts";
import {
  collectionsPanel,
  deadLettersPanel,
  errorsPanel,
  gapRange,
  gapsPanel,
  pressurePanel,
  sinkLine,
  sourcesPanel,
  sourceState,
  webhookPanel,
} from "./panels.ts";
import { ago, bar, mark, moment, panel, table, twoLines } from "./parts.ts";
import { drawing, minutesTable, ratesPanel } from "./rates.ts";
import { bytes, count, dateAndTime, percent, rate, share, short, span, visible } from "./text.ts";
import { h } from "./tree.ts";
import { header, reasonsList, summary, view } from "./view.ts";

/* The compiler cannot know that these functions take different arguments: here they are only texts. */
const FUNCTIONS: readonly { toString(): string }[] = [
  ...[bytes, count, dateAndTime, percent, rate, share, short, span, visible],
  h,
  ...[ago, bar, mark, moment, panel, table, twoLines],
  ...[cardItem, cardsList, lagCard, momentCard, nowCards, queueCards, totalsCards],
  ...[collectionsPanel, deadLettersPanel, errorsPanel, gapRange, gapsPanel, pressurePanel],
  ...[sinkLine, sourcesPanel, sourceState, webhookPanel],
  ...[drawing, minutesTable, ratesPanel],
  ...[header, reasonsList, summary, view],
  ...[chartOptions, createChart, createNode, idOf, patch, patchChild, start],
];

/** JavaScript for a page that has uPlot. */
export const SCRIPT = `"use strict";\n(() => {\n${FUNCTIONS.join("\n")}\nstart(globalThis);\n})();\n`;
