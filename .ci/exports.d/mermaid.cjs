// Mermaid parses the diagram; what it has read is what was to be told, character by character.
const fs = require("fs"), path = require("path");
const { JSDOM } = require("jsdom");
const dir = process.argv[2];
const expected = JSON.parse(fs.readFileSync(path.join(dir, "expected.json"), "utf8")).diagram;
const { window } = new JSDOM("<!doctype html>");
Object.assign(globalThis, { window, document: window.document });
const same = (what, got, want) => {
  if (JSON.stringify(got) !== JSON.stringify(want)) { console.log(`${what}\n got ${JSON.stringify(got)}\nwant ${JSON.stringify(want)}`); process.exit(1); }
};
// How it keeps `#59;` until it draws.
const decode = (text) => text.replace(/ﬂ°°(\d+)¶ß/g, (_, n) => String.fromCodePoint(Number(n)));

(async () => {
  const { default: mermaid } = await import(require.resolve("mermaid").replace(/mermaid\.core\.mjs$|mermaid\.js$/, "mermaid.core.mjs"));
  mermaid.initialize({ startOnLoad: false });
  const text = fs.readFileSync(path.join(dir, "sample.mmd"), "utf8");
  const { diagramType } = await mermaid.parse(text);
  same("type", diagramType, "sequence");
  const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
  const names = new Map([...db.getActors()].map(([id, actor]) => [id, decode(actor.description)]));
  const steps = db.getMessages().map((m) => [names.get(m.from), names.get(m.to), decode(m.message)]);
  same("participants", [...names.values()], expected.participants);
  same("steps", steps, expected.steps);
  const cut = fs.readFileSync(path.join(dir, "cut.mmd"), "utf8");
  await mermaid.parse(cut);
  console.log(`${names.size} participants and ${steps.length} steps as they were recorded`);
})().catch((error) => { console.log(String(error).slice(0, 2000)); process.exit(1); });
