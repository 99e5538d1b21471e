/**
 * Turns classes with private members into functions: `this.#state` becomes a variable `state`,
 * which minifies to a letter. Saves some 500 of 8,600 bytes, gzipped. The meaning stays the same
 * for a class that nobody extends or compares with `instanceof`, and whose public members are
 * methods; throws for a class with anything else.
 */
import { parse } from "acorn";

export function classesToClosures(text) {
  const edits = [];
  const program = parse(text, { ecmaVersion: "latest", sourceType: "module" });
  const classes = program.body.flatMap(({ declarations = [] }) => declarations).filter(isForUs);
  const source = ({ start, end }) =>
    edits
      .filter((edit) => edit.start >= start && edit.end <= end)
      .reduceRight(
        (made, edit) =>
          made.slice(0, edit.start - start) + edit.text + made.slice(edit.end - start),
        text.slice(start, end),
      );
  const add = (start, end, text) => {
    edits.push({ start, end, text });
    edits.sort((one, other) => one.start - other.start);
  };
  const names = new Set(classes.map(({ id }) => id.name));
  visit(program, (node) => {
    if (node.type === "NewExpression" && names.has(node.callee.name))
      add(node.start, node.callee.start, "");
  });
  const made = classes.map(({ init }, index) => ({
    start: init.start,
    end: init.end,
    text: closureOf(init, `$${index}`, add, source),
  }));
  edits.splice(0, edits.length, ...edits.filter((edit) => !made.some((one) => isIn(one, edit))));
  for (const { start, end, text } of made) add(start, end, text);
  return source(program);
}

/** Makes the functions of a module arrow functions, which stand before all else. */
export function functionsToArrows(text) {
  const { body } = parse(text, { ecmaVersion: "latest", sourceType: "module" });
  let [arrows, others] = ["", ""];
  let at = 0;
  const textOf = ({ start, end }) => text.slice(start, end);
  for (const node of body.filter(({ type }) => type === "FunctionDeclaration")) {
    arrows += `var ${node.id.name} = ${node.async ? "async " : ""}(${node.params.map(textOf)}) => ${textOf(node.body)};\n`;
    others += text.slice(at, node.start);
    at = node.end;
  }
  return arrows + others + text.slice(at);
}

const isIn = (outer, inner) => outer.start <= inner.start && inner.end <= outer.end;

function isForUs({ init }) {
  return (
    init?.type === "ClassExpression" &&
    init.superClass === null &&
    init.body.body.some(({ key }) => key?.type === "PrivateIdentifier")
  );
}

function closureOf({ body: { body: members } }, suffix, add, source) {
  const nameOf = ({ key: { type, name } }) =>
    `${name}${type === "PrivateIdentifier" ? "$" : ""}${suffix}`;
  const isField = ({ type }) => type === "PropertyDefinition";
  const isPublic = ({ key }) => key.type === "Identifier";
  const maker = members.find(({ kind }) => kind === "constructor");
  const fields = members.filter(isField);
  const methods = members.filter((member) => !isField(member) && member !== maker);
  for (const member of members) {
    const isFixed = isField(member)
      ? !member.value || /Function/.test(member.value.type)
      : !member.value.generator;
    if (member.static || member.computed || (isPublic(member) && !isFixed))
      throw new Error(`classes-to-closures: ${source(member)}`);
  }

  // `this.#name`, `this.name`, and `this` itself
  const assigned = new Map();
  const used = new Set();
  let usesItself = false;
  const replace = (node, parent) => {
    if (node.type === "FunctionExpression" && parent.type !== "MethodDefinition") return false;
    if (node.type === "MemberExpression" && node.object.type === "ThisExpression") {
      const name = nameOf({ key: node.property });
      if (parent.type === "AssignmentExpression" && parent.left === node)
        assigned.set(name, (assigned.get(name) ?? 0) + 1);
      used.add(name);
      add(node.start, node.end, name);
      return false;
    }
    if (node.type === "ThisExpression") {
      usesItself = true;
      add(node.start, node.end, `self${suffix}`);
    }
    if (node.property?.type === "PrivateIdentifier")
      throw new Error(`classes-to-closures: ${source(node)}`);
    return true;
  };

  // a parameter that the constructor keeps in a field, and what else it sets first
  const { params, body } = maker.value;
  const statements = body.body
    .flatMap((statement) => statement.expression?.expressions ?? statement)
    .map((statement) => {
      const { left, right, operator } = statement.expression ?? statement;
      const isSetting =
        operator === "=" &&
        left.object?.type === "ThisExpression" &&
        fields.some(({ key, value }) => key.name === left.property.name && value === null);
      return { statement, field: isSetting ? nameOf({ key: left.property }) : undefined, right };
    });
  for (const member of members) visit(member, replace);
  const kept = new Map();
  for (const { field, right } of statements)
    if (field && assigned.get(field) === 1 && params.some(({ name }) => name === right.name))
      kept.set(right.name, field);
  visit(maker.value, (node, parent) => {
    if (node.type !== "Identifier" || !kept.has(node.name)) return true;
    if (parent.shorthand) throw new Error(`classes-to-closures: ${source(parent)}`);
    const isName = parent.property === node || parent.key === node;
    if (!isName) add(node.start, node.end, kept.get(node.name));
    return true;
  });
  const publics = [...fields, ...methods].filter(isPublic);
  for (const member of publics)
    if (assigned.get(nameOf(member)) > 1)
      throw new Error(`classes-to-closures: ${source(member)} is set twice`);
  const set = statements.filter(({ field }) => field).map(({ field }) => field);
  const variables = [
    ...fields
      .filter((field) => !set.includes(nameOf(field)))
      .map((field) => `${nameOf(field)}${field.value ? ` = ${source(field.value)}` : ""}`),
    ...methods
      .filter((method) => used.has(nameOf(method)))
      .map(
        (method) =>
          `${nameOf(method)} = ${method.value.async ? "async " : ""}(${method.value.params.map(source)}) => ${source(method.value.body)}`,
      ),
  ];
  const later = usesItself ? publics.filter((member) => set.includes(nameOf(member))) : [];
  const itself = `{${publics.filter((member) => !later.includes(member)).map((member) => (isField(member) || used.has(nameOf(member)) ? `${member.key.name}: ${nameOf(member)}` : source(member)))}}`;
  return `(${params.map(source)}) => {
    let ${variables};
    ${usesItself ? `let self${suffix} = ${itself};` : ""}
    ${statements
      .filter(({ right }) => !kept.has(right?.name))
      .map(({ statement, field }) => `${field ? "let " : ""}${source(statement)};`)
      .join("\n")}
    ${later.map((member) => `self${suffix}.${member.key.name} = ${nameOf(member)};`).join("")}
    return ${usesItself ? `self${suffix}` : itself};
  }`;
}

/**
 * Calls `see` with each node and its parent; not with what is in a node for which it gives `false`.
 */
function visit(node, see, parent = node) {
  if (Array.isArray(node)) for (const one of node) visit(one, see, parent);
  if (typeof node?.type !== "string" || see(node, parent) === false) return;
  for (const value of Object.values(node)) if (typeof value === "object") visit(value, see, node);
}
