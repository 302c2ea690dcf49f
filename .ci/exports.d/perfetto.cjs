// Perfetto's trace processor without a browser: its page keeps it as WebAssembly with a worker around it. This is the
// worker's world; what comes on standard input are its requests, what it answers goes to standard output.
const fs = require("fs"), path = require("path"), vm = require("vm");
const page = process.argv[2];
const say = (...words) => process.stderr.write(words.join(" ") + "\n");

class XMLHttpRequest {
  open(_method, url) { this.file = path.join(page, path.basename(url)); }
  send() { this.status = 200; this.response = new Bytes(fs.readFileSync(this.file)).buffer; }
}

const world = vm.createContext({
  XMLHttpRequest, WorkerGlobalScope: function () {}, importScripts() {}, location: { href: "" },
  console: { log: say, info: say, warn: say, error: say },
  TextDecoder, TextEncoder, URL, performance, setTimeout, clearTimeout,
});
vm.runInContext("self = globalThis", world);
// Of the world in there: it asks whether what it gets is one.
const Bytes = vm.runInContext("Uint8Array", world);
const port = { postMessage: (data) => process.stdout.write(Buffer.from(data)) };
vm.runInContext(fs.readFileSync(path.join(page, "engine_bundle.js"), "utf8"), world);
world.onmessage({ data: port });

// It is ready once all that it has promised itself is done.
setTimeout(() => {
  process.stdin.on("data", (chunk) => port.onmessage({ data: new Bytes(chunk) }));
  process.stdin.on("end", () => process.exit(0));
}, 50);
