/**
 * CEL expressions that can be stopped. The library that evaluates them has no limits, so the expression itself is made to ask
 * at each turn of a loop whether it may go on: `l.exists(x, P)` becomes `l.exists(x, goOn(N) ? (P) : true)`. Patterns of
 * `matches()` go to an engine that needs linear time, as CEL demands (https://github.com/cel-expr/cel-spec, RE2).
 *
 * @module
 */
import { RE2JS } from "@bufbuild/re2";
import type { ASTNode, Environment } from "@marcbachmann/cel-js";
import { messageOf } from "../../pipeline/errors.ts";

/** How much an evaluation may cost. */
export interface Limits {
  /** Nodes of the syntax tree that may be evaluated; 64 characters that a pattern looks at count as one too. */
  readonly steps: number;
  /** For what a step cannot measure, such as texts of a megabyte compared in a loop: milliseconds. */
  readonly ms: number;
}

/** Counts while an expression is evaluated. */
export interface Meter {
  /** To be called before each evaluation. */
  start(): void;
  /** Whether a limit was reached: then the result means nothing. */
  readonly exceeded: boolean;
}

/** What a loop answers when it may not go on. Those that CEL lets pass over errors must end in another way than by one. */
const ENDINGS: Readonly<Record<string, string>> = {
  all: "false",
  exists: "true",
  exists_one: "giveUp()",
  filter: "giveUp()",
  map: "giveUp()",
};
const GIVEN_UP = new Error("The limit of steps was reached");
/** Steps between two looks at the clock. */
const LOOK_EVERY = 64;

/** Adds the functions that {@link meteredSource} calls. `now`: milliseconds. */
export function addMeter(environment: Environment, base: number, limits: Limits, now: () => number): Meter {
  const patterns = new Map<string, RE2JS>();
  let steps = 0, look = 0, deadline = 0;
  let exceeded = false;
  const count = (n: number): boolean => {
    steps += n;
    if (steps > limits.steps) exceeded = true;
    else if (steps >= look) {
      exceeded ||= now() > deadline;
      look = steps + LOOK_EVERY;
    }
    return !exceeded;
  };
  environment.registerFunction("goOn(int): bool", (n: bigint) => count(Number(n)));
  environment.registerFunction("giveUp(): dyn", () => {
    throw GIVEN_UP;
  });
  environment.registerFunction("string.matchesRe2(string): bool", (text: string, pattern: string) => {
    count(text.length >> 6);
    const known = patterns.get(pattern) ?? RE2JS.compile(pattern);
    patterns.set(pattern, known);
    return known.test(text);
  });
  return {
    start() {
      exceeded = false;
      steps = base;
      look = 0;
      deadline = now() + limits.ms;
    },
    get exceeded() {
      return exceeded;
    },
  };
}

/**
 * The expression with its loops and patterns put under control, and how many nodes are evaluated outside of loops.
 *
 * @param fault Makes the error for a pattern that cannot be used, from the reason and its place in `source`.
 */
export function meteredSource(
  source: string,
  ast: ASTNode,
  fault: (reason: string, position: number) => Error,
): { readonly source: string; readonly base: number } {
  const insertions: { readonly at: number; readonly text: string }[] = [];
  const base = visit(ast);
  let metered = source;
  for (const { at, text } of insertions.toSorted((a, b) => b.at - a.at)) {
    metered = metered.slice(0, at) + text + metered.slice(at);
  }
  return { source: metered, base };

  /** How many nodes are evaluated for this one: what loops repeat is counted by themselves. */
  function visit(node: ASTNode): number {
    if (node.op !== "rcall") return sum([node.args]);
    const [name, receiver, args] = node.args;
    if (name === "matches" && args.length === 1) redirectPattern(receiver, args[0]!);
    const ending = ENDINGS[name];
    if (ending === undefined || args.length < 2) return sum([receiver, args]);
    const [variable, ...bodies] = args;
    const close = bodies.length === 1 ? node.end - 1 : skip(source, bodies[0]!.end);
    insertions.push({ at: skip(source, variable!.end) + 1, text: ` goOn(${sum([bodies])}) ? (` });
    insertions.push({ at: close, text: `\n) : ${ending}` }); // a new line, as a comment may stand before it
    return sum([receiver]);
  }

  /** A node for itself, and what is below. */
  function sum(below: readonly unknown[]): number {
    return (below.flat(Infinity) as unknown[]).filter(isNode).reduce((n, each) => n + visit(each), 1);
  }

  function redirectPattern(receiver: ASTNode, pattern: ASTNode): void {
    if (pattern.op !== "value" || typeof pattern.args !== "string") {
      throw fault("the pattern of matches() must be written as a text", pattern.start);
    }
    try {
      RE2JS.compile(pattern.args);
    } catch (error) {
      throw fault(messageOf(error), pattern.start);
    }
    const name = skip(source, skip(source, receiver.end) + 1);
    insertions.push({ at: name + "matches".length, text: "Re2" });
  }
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === "object" && value !== null && "op" in value;
}

/** Where the text goes on behind an operand or a dot: parentheses, white space and comments are passed over. */
function skip(source: string, end: number): number {
  return end + /^(?:[\s)]|\/\/.*)*/.exec(source.slice(end))![0].length;
}
