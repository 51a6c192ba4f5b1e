/**
 * The page's style sheet: one set of sizes, two sets of colours. Text has a contrast of 4.5:1 or more on every ground in both.
 *
 * @module
 */

/** CSS. */
export const STYLE = `
:root {
  --ground: #f4f5f7; --panel: #fff; --line: #e1e4e8; --track: #e9ecf0;
  --text: #14181d; --muted: #59626d; --link: #0b5cad;
  --received: #2f6fd0; --received-fill: #2f6fd01f; --written: #0b7a53; --bar: #b9cdec;
  --ok: #0b7a53; --warn: #b06600; --bad: #b3261e; --warn-ground: #fdf3e0; --bad-ground: #fdeceb;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0c0f13; --panel: #14181d; --line: #252b33; --track: #232a32;
    --text: #e7eaee; --muted: #98a2ae; --link: #86b7ff;
    --received: #6ea8fe; --received-fill: #6ea8fe24; --written: #45c98f; --bar: #2f4d78;
    --ok: #45c98f; --warn: #f0b443; --bad: #ff8a80; --warn-ground: #2a2111; --bad-ground: #2d1614;
  }
}
* { box-sizing: border-box; margin: 0; }
/* What fits on a screen of 1920 x 1080 fills a larger one as well: a wall is read from afar. */
html { color-scheme: light dark; font-size: clamp(100%, min(0.83vw, 1.48vh), 200%); }
body {
  margin: 0 auto; padding: 1.25rem clamp(1rem, 2.2vw, 2.5rem) 1rem;
  background: var(--ground); color: var(--text); overflow-wrap: break-word;
  font: 0.875rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
code { font: 0.92em ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
small { display: block; font-size: 0.8125rem; color: var(--muted); }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

/* Marks: their shape says what their colour says. */
.mark::before { content: "●"; margin-right: 0.4em; font-size: 0.75em; vertical-align: 0.1em; color: var(--ok); }
.mark[data-level="warn"]::before { content: "▲"; color: var(--warn); }
.mark[data-level="bad"]::before { content: "■"; color: var(--bad); }

/* Head */
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.25rem 1.25rem; margin-bottom: 1rem; }
h1 { font-size: 1.25rem; font-weight: 650; letter-spacing: -0.015em; }
.run { display: flex; flex-wrap: wrap; gap: 0 1.25rem; color: var(--muted); }
.state { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 0.9rem; color: var(--muted); }
.pill { padding: 0.1rem 0.7rem; border-radius: 1rem; border: 1px solid var(--line); background: var(--panel); color: var(--text); font-weight: 600; }
.pill[data-level="warn"] { background: var(--warn-ground); border-color: var(--warn); }
.pill[data-level="bad"] { background: var(--bad-ground); border-color: var(--bad); }
.button { padding: 0.15rem 0.8rem; border: 1px solid var(--line); border-radius: 0.4rem; background: var(--panel); color: var(--text); text-decoration: none; }
.button:hover { border-color: var(--muted); }
#note:not(:empty) {
  position: sticky; top: 0; z-index: 1; margin-bottom: 1rem; padding: 0.6rem 1rem; border-radius: 0.5rem;
  background: var(--bad-ground); border: 1px solid var(--bad); font-weight: 600;
}
.stale main { filter: grayscale(1); }
#reasons { margin-bottom: 1rem; padding: 0.6rem 1rem; border-radius: 0.5rem; border-left: 4px solid var(--warn); background: var(--warn-ground); }
#reasons[data-level="bad"] { border-color: var(--bad); background: var(--bad-ground); }
#reasons ul { padding: 0; list-style: none; }

/* Figures */
.cards { margin-bottom: 1rem; overflow: hidden; border: 1px solid var(--line); border-radius: 0.6rem; background: var(--panel); }
.cards dl { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); }
.card { position: relative; container-type: inline-size; padding: 0.75rem 1rem 0.8rem; box-shadow: 1px 0 var(--line), 0 1px var(--line); }
.card dt { color: var(--muted); font-size: 0.8125rem; }
.card .value { font-weight: 600; line-height: 1.25; letter-spacing: -0.02em; font-size: clamp(1.1rem, 13cqi, 1.5rem); white-space: nowrap; }
.totals .value { font-size: clamp(1.15rem, 13.5cqi, 2.1rem); }
.card .more { color: var(--muted); font-size: 0.8125rem; }
.card .full { position: absolute; inset: auto 0 0; }
.card .full .bar { height: 3px; border-radius: 0; }
.card[data-level="warn"] .value::before { content: "▲" / ""; margin-right: 0.35em; font-size: 0.6em; vertical-align: 0.25em; color: var(--warn); }
.card[data-level="bad"] .value::before { content: "■" / ""; margin-right: 0.35em; font-size: 0.6em; vertical-align: 0.25em; color: var(--bad); }

/* Panels */
.panels { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); }
.side { display: grid; gap: 1rem; }
.panel { min-width: 0; padding: 0.85rem 1rem 0.9rem; border: 1px solid var(--line); border-radius: 0.6rem; background: var(--panel); }
.head { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 0 1rem; margin-bottom: 0.5rem; }
h2 { font-size: 0.9375rem; font-weight: 650; letter-spacing: -0.005em; }
.none { color: var(--muted); }
table { width: 100%; border-collapse: collapse; }
th, td { padding: 0.3rem 0.75rem 0.3rem 0; text-align: left; vertical-align: top; font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--muted); font-size: 0.8125rem; padding-top: 0; }
tbody tr { border-top: 1px solid var(--line); }
.number { text-align: right; }
td.number { white-space: nowrap; }
time { white-space: nowrap; }
.long { min-width: 8rem; }
.long, .run, .fault, .facts dd, #reasons { overflow-wrap: anywhere; }
.bar { display: block; width: 100%; height: 4px; border-radius: 2px; overflow: hidden; }
.track { fill: var(--track); }
.fill { fill: var(--received); }
.bar[data-level="warn"] .fill { fill: var(--warn); }
.bar[data-level="bad"] .fill { fill: var(--bad); }
#pressure tbody th::first-letter { text-transform: capitalize; }
.share { display: flex; align-items: center; justify-content: end; gap: 0.6rem; }
.share .bar { width: clamp(1.25rem, 9vw, 4rem); }
.share span { min-width: 2.5rem; }
.fault { color: var(--bad); }
p.fault { padding-bottom: 0.3rem; }
#gap-list tbody th { white-space: nowrap; }

/* Chart */
.key { display: flex; flex-wrap: wrap; gap: 0 1.25rem; color: var(--muted); }
#readout:empty { display: none; }
.key b { color: var(--text); font-weight: 600; }
.key .received::before, .key .written::before { content: ""; display: inline-block; width: 0.9rem; height: 0.6rem; margin-right: 0.45rem; background: var(--received-fill); border-top: 2px solid var(--received); }
.key .written::before { background: none; border-top: 3px solid var(--written); }
#chart { height: 14rem; overflow: hidden; }
.drawing { position: relative; height: 100%; border-bottom: 1px solid var(--line); }
.drawing svg { width: 100%; height: 100%; }
.drawing span { position: absolute; top: 0; left: 0; color: var(--muted); font-size: 0.8125rem; }
polyline.received { stroke: var(--received); }
polyline.written { stroke: var(--written); stroke-width: 1.75; }
details { margin-top: 0.5rem; color: var(--muted); }
summary { cursor: pointer; width: max-content; }
details table { margin-top: 0.5rem; color: var(--text); max-width: 30rem; }

/* Collections, sources, webhook */
.scrolls { max-height: 28rem; overflow: auto; }
.scrolls thead th { position: sticky; top: 0; background: var(--panel); }
.collection .bar { height: 3px; margin-top: 0.25rem; }
.collection .track { fill: none; }
.collection .fill { fill: var(--bar); }
.sink { display: flex; flex-wrap: wrap; gap: 0 1.25rem; padding-top: 0.45rem; border-top: 1px solid var(--line); color: var(--muted); }
.sink strong { color: var(--text); font-weight: 600; }
.facts { display: grid; gap: 0.3rem; }
.facts div { display: flex; gap: 1rem; justify-content: space-between; }
.facts dt { color: var(--muted); white-space: nowrap; }
.facts dd { text-align: right; }
footer { display: flex; flex-wrap: wrap; gap: 0 1.25rem; margin-top: 1rem; color: var(--muted); font-size: 0.8125rem; }

/* From the smallest window to the wall */
@media (max-width: 44.99rem) {
  .card:last-child:nth-child(odd) { grid-column: 1 / -1; }
}
@media (max-width: 26rem) {
  .panel { padding-inline: 0.75rem; }
  th, td { padding-right: 0.5rem; }
  .long { min-width: 6rem; }
}
@media (min-width: 45rem) {
  .state { margin-left: auto; }
  .cards dl { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .card:last-child:nth-child(3n + 1) { grid-column: 1 / -1; }
  .side { grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); }
}
@media (min-width: 70rem) {
  body, #view, main { display: flex; flex-direction: column; }
  body { min-height: 100vh; }
  #view, main, .panels { flex: 1; }
  .cards dl { grid-template-columns: none; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); }
  .card:last-child:nth-child(n) { grid-column: auto; }
  .panels {
    grid-template-areas: "rates rates side" "coll sources sources" "coll errors errors" "coll gaps dead";
    grid-template-columns: repeat(3, minmax(0, 1fr)); grid-template-rows: repeat(3, auto) 1fr;
  }
  #rates { grid-area: rates; display: flex; flex-direction: column; }
  #chart { flex: 1; min-height: max(15rem, 25vh); height: auto; }
  #pressure { display: flex; flex-direction: column; }
  #pressure table { flex: 1; }
  #pressure th, #pressure td { vertical-align: middle; }
  .side { grid-area: side; grid-template-columns: minmax(0, 1fr); }
  #by-collection { grid-area: coll; display: flex; flex-direction: column; min-height: 20rem; }
  .scrolls { flex: 1 1 0; max-height: none; }
  #sources { grid-area: sources; }
  #errors { grid-area: errors; }
  #gap-list { grid-area: gaps; }
  #dead { grid-area: dead; }
}
@media (forced-colors: active) { .fill { fill: CanvasText; } .track { fill: Canvas; } }
`;
