/**
 * This project's own lint rules: layers that only look down, no output and no exit in the library, no programs and no files for
 * everybody in the product, and how errors are worded.
 * `deno lint` loads it by its default export, the only one in the project.
 *
 * @module
 */

type Visitor = Deno.lint.LintVisitor;

/**
 * The layers from the bottom up. A module may import from its own folder and from every row below, never sideways or up.
 * Tests and scripts may import anything, and nothing else may import them.
 */
const LAYERS: readonly (readonly string[])[] = [
  ["lib/version.ts"],
  ["lib/pipeline"],
  ["lib/atproto", "lib/net"],
  ["lib/sources", "lib/transforms", "lib/state"],
  ["lib/sinks"],
  ["lib/simulate", "lib/ops"],
  ["cli"],
  ["mod.ts"],
];

/** The part of a path below the repository's top folder. */
function inRepository(filename: string): string {
  const path = filename.replaceAll("\\", "/");
  const root = decodeURIComponent(new URL("..", import.meta.url).pathname);
  return path.startsWith(root) ? path.slice(root.length) : path.replace(/^\//, "");
}

function isFree(path: string): boolean {
  return path.startsWith("scripts/") || path.startsWith("tests/") || /_test\.ts$|\/test_\w+\.ts$/.test(path);
}

/** The entry of `LAYERS` that a path belongs to, and its row; `undefined` for a path that is in none. */
function layerOf(path: string): { name: string; row: number } | undefined {
  const row = LAYERS.findIndex((names) => names.some((name) => path === name || path.startsWith(`${name}/`)));
  const name = LAYERS[row]?.find((each) => path === each || path.startsWith(`${each}/`));
  return name === undefined ? undefined : { name, row };
}

/** What is wrong with `from` importing `to` (both relative to the repository), or `undefined`. */
function layerFault(from: string, to: string, dynamic: boolean): string | undefined {
  if (isFree(from)) return undefined;
  if (isFree(to)) return `${from} cannot import ${to}: tests and scripts are not part of the product`;
  const source = layerOf(from);
  const target = layerOf(to);
  if (source === undefined) return `${from} is in no layer: name its folder in scripts/lint_plugin.ts`;
  if (target === undefined) return `${to} is in no layer: name its folder in scripts/lint_plugin.ts`;
  if (source.name === "mod.ts" && target.name === "cli" && !dynamic) {
    return "mod.ts must load cli by a dynamic import: whoever uses the library does not want the command line";
  }
  if (source.name === target.name || target.row < source.row) return undefined;
  return `${source.name} cannot import ${target.name}: layers only look down`;
}

function layers(context: Deno.lint.RuleContext): Visitor {
  const from = inRepository(context.filename);
  const check = (node: Deno.lint.Node, specifier: string, dynamic = false): void => {
    if (!/^\.{1,2}\//.test(specifier)) return;
    const to = new URL(specifier, `file:///${from}`).pathname.slice(1);
    const message = layerFault(from, to, dynamic);
    if (message !== undefined) context.report({ node, message });
  };
  return {
    ImportDeclaration: (node) => check(node, node.source.value),
    ExportAllDeclaration: (node) => check(node, node.source.value),
    ExportNamedDeclaration: (node) => {
      if (node.source !== null) check(node, node.source.value);
    },
    ImportExpression: (node) => {
      if (node.source.type === "Literal") check(node, String(node.source.value), true);
    },
  };
}

/** `lib/pipeline` is given everything it works with: no `Deno`, no Node modules. */
function purePipeline(context: Deno.lint.RuleContext): Visitor {
  const path = inRepository(context.filename);
  if (!path.startsWith("lib/pipeline/") || isFree(path)) return {};
  const message = "lib/pipeline has no input and output of its own: pass in what it needs";
  return {
    "MemberExpression[object.name=Deno]": (node: Deno.lint.Node) => context.report({ node, message }),
    ImportDeclaration: (node) => {
      if (node.source.value.startsWith("node:")) context.report({ node, message });
    },
  };
}

function noConsole(context: Deno.lint.RuleContext): Visitor {
  const path = inRepository(context.filename);
  if (path.startsWith("cli/") || isFree(path)) return {};
  const message = "Only cli/ and scripts/ write to the console: the library logs with LogTape";
  return { "MemberExpression[object.name=console]": (node: Deno.lint.Node) => context.report({ node, message }) };
}

function noExit(context: Deno.lint.RuleContext): Visitor {
  const message =
    "Set Deno.exitCode and return: an exit skips what is still to be saved (ignore this only with a reason)";
  return {
    "MemberExpression[object.name=/^(Deno|process)$/][property.name=exit]": (node: Deno.lint.Node) =>
      context.report({ node, message }),
  };
}

function noDefaultExport(context: Deno.lint.RuleContext): Visitor {
  if (inRepository(context.filename) === "scripts/lint_plugin.ts") return {};
  const message = "Export by name";
  return {
    ExportDefaultDeclaration: (node) => context.report({ node, message }),
    "ExportSpecifier[exported.name=default]": (node: Deno.lint.Node) => context.report({ node, message }),
  };
}

/** Nothing that the product reads can become a program: no processes, no foreign functions, no code that is made of text. */
function noProgram(context: Deno.lint.RuleContext): Visitor {
  if (isFree(inRepository(context.filename))) return {};
  const report = (node: Deno.lint.Node): void =>
    context.report({ node, message: "The product starts no programs and makes no code of text" });
  return {
    "MemberExpression[object.name=Deno][property.name=/^(Command|dlopen)$/]": report,
    "MemberExpression[object.name=Deno][computed=true]": report,
    "NewExpression[callee.name=/^(Function|Worker)$/]": report,
    "CallExpression[callee.name=/^(Function|eval|require)$/]": report,
    "MemberExpression[property.name=eval]": report,
    ImportDeclaration(node) {
      if (/^(node:)?(child_process|cluster|module|vm|worker_threads)$/.test(node.source.value)) report(node);
    },
    ImportExpression(node) {
      if (node.source.type !== "Literal") report(node);
    },
  };
}

/** What opens files without regard to who may read them, and to symlinks. */
const OPENS_FILES = /^(open|create|writeFile|writeTextFile)(Sync)?$/;

/** The value of a member of an object literal, as the source has it: `true`, `false`, or something that is computed. */
function memberOf(node: Deno.lint.Node | undefined, name: string): unknown {
  if (node?.type !== "ObjectExpression") return undefined;
  for (const each of node.properties) {
    if (each.type !== "Property" || each.key.type !== "Identifier" || each.key.name !== name) continue;
    return each.value.type === "Literal" ? each.value.value : "computed";
  }
  return undefined;
}

/** Files are made by `lib/state/files.ts`, or are new: 0600, and never behind a symlink that somebody else has put there. */
function privateFiles(context: Deno.lint.RuleContext): Visitor {
  const path = inRepository(context.filename);
  if (isFree(path) || path === "lib/state/files.ts") return {};
  return {
    CallExpression(node) {
      const { callee } = node;
      if (callee.type !== "MemberExpression" || callee.object.type !== "Identifier") return;
      if (callee.object.name !== "Deno" || callee.property.type !== "Identifier") return;
      const name = OPENS_FILES.exec(callee.property.name)?.[1];
      if (name === undefined) return;
      const options = node.arguments[name.startsWith("write") ? 2 : 1];
      const given = memberOf(options, "create");
      const makes = name === "open" ? given !== undefined && given !== false : given !== false;
      if (!makes || memberOf(options, "createNew") === true) return;
      context.report({ node, message: "Make files with openPrivate or replaceFile of lib/state, or as new ones" });
    },
  };
}

/** The position of the message among the arguments of an error's constructor. */
const MESSAGE_AT: Readonly<Record<string, number>> = { AggregateError: 1, PoisonError: 1 };

/** The first and the last piece of text that a message is made of, as far as the source shows them. */
function endsOf(node: Deno.lint.Expression): { first: string; last: string }[] {
  switch (node.type) {
    case "Literal":
      return typeof node.value === "string" ? [{ first: node.value, last: node.value }] : [];
    case "TemplateLiteral":
      return [{ first: node.quasis[0]?.cooked ?? "", last: node.quasis.at(-1)?.cooked ?? "" }];
    case "ConditionalExpression":
      return [...endsOf(node.consequent), ...endsOf(node.alternate)];
    case "ArrayExpression":
      return node.elements.flatMap((each) => each.type === "SpreadElement" ? [] : endsOf(each));
    default:
      return [];
  }
}

function errorMessage(context: Deno.lint.RuleContext): Visitor {
  return {
    "NewExpression[callee.name=/Error$/]": (node: Deno.lint.NewExpression) => {
      const name = node.callee.type === "Identifier" ? node.callee.name : "";
      const argument = node.arguments[MESSAGE_AT[name] ?? 0];
      if (argument === undefined || argument.type === "SpreadElement") return;
      for (const { first, last } of endsOf(argument)) {
        // "it must be a URL" is the half of a sentence that a caller puts after "Cannot use --x: ".
        if (/^(?!it )[a-z]/.test(first)) {
          context.report({ node: argument, message: "Error messages begin with a capital" });
        }
        if (/(?<!\.)\.$/.test(last)) {
          context.report({ node: argument, message: "Error messages end without a full stop" });
        }
      }
    },
  };
}

const plugin: Deno.lint.Plugin = {
  name: "bskyingest",
  rules: {
    "layers": { create: layers },
    "pure-pipeline": { create: purePipeline },
    "no-console": { create: noConsole },
    "no-exit": { create: noExit },
    "no-default-export": { create: noDefaultExport },
    "no-program": { create: noProgram },
    "private-files": { create: privateFiles },
    "error-message": { create: errorMessage },
  },
};
export default plugin;
