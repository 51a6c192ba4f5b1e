/**
 * `--where`: events for which a CEL expression is true (https://cel.dev).
 *
 * Two libraries were measured on Deno 2.9.6, with an event of 551 bytes. `@marcbachmann/cel-js` needs 0.1 to 0.6 us for
 * expressions that `@bufbuild/cel` needs 1 to 8 us for (it copies each object that is looked into), is imported in 17 ms
 * (57 ms), and finds unknown names and wrong types before the first event. Of 100 expressions both agreed on all that deal
 * with values of an event. Its `matches()` is JavaScript's, which backtracks and lacks RE2's syntax: see `where/metered.ts`.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type ASTNode, Environment } from "@marcbachmann/cel-js";
import type { AnyEvent } from "../atproto/event.ts";
import { ConfigError, messageOf } from "../pipeline/errors.ts";
import { hasConstructorMember, toMaps } from "./where/maps.ts";
import { addMeter, type Limits, meteredSource } from "./where/metered.ts";
import { toView } from "./where/view.ts";

const log = getLogger(["bskyingest", "where"]);

/** Of expressions: what is read and checked by functions that call themselves must not be endless. */
const LIMITS = { maxAstNodes: 10_000, maxDepth: 250 };
/** The meter makes an expression longer, and nests it deeper where loops are nested. */
const METERED_LIMITS = { maxAstNodes: 100_000, maxDepth: 2500 };

/** Options of {@link createWhere}. */
export interface WhereOptions extends Partial<Limits> {
  /** The clock that `ms` is measured with. */
  readonly now?: () => number;
}

/** A compiled expression. */
export interface Where {
  /** Whether the expression is true of an event; one that cannot be evaluated for it is not. */
  matches(event: AnyEvent): boolean;
  /** Evaluations that failed: a missing member, a wrong type, a result that is no truth value, too many steps. */
  readonly failures: number;
}

/**
 * Compiles an expression. Its only variable is `event`, an object equal to what `toJson` prints; members that v1 text has
 * beside those of Jetstream's format, outside of `commit`, `identity` and `account`, are not in it.
 *
 * @param options.steps Nodes of the expression's syntax tree that one evaluation may look at. Default 100,000.
 * @param options.ms The most that one evaluation may take, in milliseconds. Default 1000.
 * @throws {ConfigError} naming the column in which the expression is wrong.
 */
export function createWhere(expression: string, options: WhereOptions = {}): Where {
  const { steps = 100_000, ms = 1000, now = () => performance.now() } = options;
  const environment = new Environment({ homogeneousAggregateLiterals: false, limits: LIMITS }).registerVariable(
    "event",
    "dyn",
  );
  const fault = (reason: string, position: number) => faultIn(expression, reason, position);
  const { source, base } = meteredSource(expression, check(environment, expression), fault);
  const metered = environment.clone({ limits: METERED_LIMITS });
  const limit = addMeter(metered, base, { steps, ms }, now);
  const evaluate = metered.parse(source);
  let failures = 0;

  const test = (view: unknown): boolean => {
    limit.start();
    const result = evaluate({ event: view });
    if (limit.exceeded) throw new RangeError(`It took more than ${steps} steps or ${ms} ms`);
    if (typeof result !== "boolean") throw new TypeError("Its result is neither true nor false");
    return result;
  };
  return {
    matches(event) {
      const view = toView(event);
      try {
        try {
          return test(view);
        } catch (error) {
          if (limit.exceeded || !hasConstructorMember(view)) throw error;
          return test(toMaps(view));
        }
      } catch (error) {
        if (failures++ === 0) log.debug("First event that --where fails for: {reason}", { reason: messageOf(error) });
        return false;
      }
    },
    get failures() {
      return failures;
    },
  };
}

/** The syntax tree of an expression that is sound and may give a truth value. */
function check(environment: Environment, expression: string): ASTNode {
  const { error, type } = environment.check(expression);
  if (error instanceof RangeError) throw faultIn(expression, "it is nested too deeply", 0);
  if (error) throw faultIn(expression, error.summary, error.range?.start ?? 0);
  if (type !== "bool" && type !== "dyn") throw faultIn(expression, `it gives ${type} instead of bool`, 0);
  return environment.parse(expression).ast;
}

function faultIn(expression: string, reason: string, position: number): ConfigError {
  const lines = expression.slice(0, position).split("\n");
  const column = `column ${[...lines.at(-1)!].length + 1}`;
  const place = lines.length > 1 ? `line ${lines.length}, ${column}` : column;
  const text = reason.charAt(0).toLowerCase() + reason.slice(1);
  return new ConfigError(`Cannot use --where: ${text} (${place})`);
}
