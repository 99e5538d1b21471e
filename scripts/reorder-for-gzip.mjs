/**
 * Puts what may stand in any order into the order with which gzip finds the longest repeats: the
 * members of objects that have functions among them, names that are taken out of an object, and
 * variables whose values are functions, literals or none. Tries swaps, and keeps one with which the
 * deflated text gets no longer.
 */
import { deflateRawSync } from "node:zlib";
import { parse } from "acorn";

/**
 * Finds a better order for `text`: by group, the places that its items had. `named`: gives `text`
 * with the names that it will have.
 */
export function orderForGzip(text, named) {
  const { root, groups } = groupsIn(text);
  const sizeNow = () => deflateRawSync(textOf(root, "named"), { level: 9 }).length;
  for (const leaf of leavesOf(root)) leaf.named = named(leaf.text);
  let size = sizeNow();
  let seed = 1;
  const random = (below) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return Math.floor((seed / 2_147_483_647) * below);
  };
  const chances = groups.flatMap((group) => Array(group.items.length - 1).fill(group.items));
  for (let count = 0; count < guesses; count++) {
    const items = chances[random(chances.length)];
    const before = [...items];
    const [item] = items.splice(random(items.length), 1);
    items.splice(random(items.length + 1), 0, item);
    const next = sizeNow();
    if (next <= size) size = next;
    else items.splice(0, items.length, ...before);
  }
  return groups.map(({ items }) => items.map(({ place }) => place));
}

/** `text` in the order that `orderForGzip` found for it. */
export function inOrder(text, order) {
  const { root, groups } = groupsIn(text);
  for (const [index, group] of groups.entries())
    group.items = order[index].map((place) => group.items[place]);
  return textOf(root, "text");
}

const guesses = 10_000;

function groupsIn(text) {
  const groups = [];
  const root = treeOf(text, parse(text, { ecmaVersion: "latest", sourceType: "module" }), groups);
  return { root, groups };
}

const textOf = (node, member) =>
  node.items
    ? node.items.map(({ parts }) => parts.map((one) => textOf(one, member)).join("")).join()
    : node[member];

const leavesOf = (node) =>
  node.items ? node.items.flatMap(({ parts }) => parts).flatMap(leavesOf) : [node];

/**
 * A leaf has text; a group has items, which may change places, and each of which has leaves and
 * groups in turn as its parts.
 */
function treeOf(text, program, groups) {
  const runs = [];
  collect(program, runs);
  const contains = (start, end, run) => start <= run[0].start && run.at(-1).end <= end;
  const inside = (start, end, among) => {
    const made = [];
    let at = start;
    const outer = among.filter(
      (run) =>
        !among.some((other) => other !== run && contains(other[0].start, other.at(-1).end, run)),
    );
    for (const run of outer.toSorted(([one], [other]) => one.start - other.start)) {
      made.push({ text: text.slice(at, run[0].start) });
      at = run.at(-1).end;
      const others = among.filter((other) => other !== run);
      const items = run.map((item, place) => ({
        place,
        parts: inside(
          item.start,
          item.end,
          others.filter((other) => contains(item.start, item.end, other)),
        ),
      }));
      const group = { items };
      groups.push(group);
      made.push(group);
    }
    made.push({ text: text.slice(at, end) });
    return made;
  };
  return { items: [{ parts: inside(0, text.length, runs) }] };
}

const isFunction = ({ type }) => /Function/.test(type);
/** Whether it doesn't matter when this is evaluated. */
const isFixed = (value) =>
  !value ||
  isFunction(value) ||
  value.type === "Literal" ||
  (value.type === "Identifier" && value.name === "undefined") ||
  (value.type === "UnaryExpression" && isFixed(value.argument)) ||
  (value.type === "BinaryExpression" && isFixed(value.left) && isFixed(value.right)) ||
  (value.type === "ArrayExpression" && value.elements.every(isFixed)) ||
  (value.type === "ObjectExpression" &&
    value.properties.every(
      (one) => one.type === "Property" && !one.computed && isFixed(one.value),
    ));

function collect(node, runs) {
  if (Array.isArray(node)) for (const one of node) collect(one, runs);
  if (typeof node?.type !== "string") return;
  const add = (items) => {
    if (items.length > 1) runs.push(items);
  };
  if (node.type === "ObjectPattern") {
    const items = node.properties.filter(({ type }) => type === "Property");
    if (
      items.every(
        ({ value, computed }) =>
          !computed &&
          (value.type === "Identifier" ||
            (value.type === "AssignmentPattern" && isFixed(value.right))),
      )
    )
      add(items);
  }
  if (
    node.type === "ObjectExpression" &&
    node.properties.every(({ type }) => type === "Property")
  ) {
    if (
      node.properties.some(({ value }) => isFunction(value)) &&
      node.properties.every(({ value }) => isFixed(value) || value.type === "Identifier")
    )
      add(node.properties);
  }
  if (node.type === "VariableDeclaration") {
    let run = [];
    for (const one of node.declarations) {
      if (one.id.type === "Identifier" && isFixed(one.init)) run.push(one);
      else {
        add(run);
        run = [];
      }
    }
    add(run);
  }
  for (const value of Object.values(node)) if (typeof value === "object") collect(value, runs);
}
