"""What other people's programs make of exports: checks.py FORMAT DIRECTORY …; the last line printed says what was seen."""
import html, json, re, subprocess, sys
from collections import Counter, defaultdict
from pathlib import Path

directory = Path(sys.argv[2])
expected = json.loads((directory / "expected.json").read_text())


def read(name):
    return (directory / name).read_text(encoding="utf-8")


def same(what, got, want):
    if got != want:
        sys.exit(f"{what}: got {got!r}, not {want!r}")


def events():
    return [line for line in map(json.loads, read("sample.jsonl").splitlines()) if line["type"] == "event"]


def jsonl():
    lines = [json.loads(line) for line in read("sample.jsonl").splitlines()]
    same("first and last line", [lines[0]["type"], lines[-1]["type"]], ["recording", "end"])
    same("kinds", dict(Counter(e["kind"] for e in events())), {k: n for k, n in expected["kinds"].items() if n})
    same("numbers", [e["seq"] for e in events()], list(range(len(lines) - 2)))
    print(f"{len(lines)} lines, {len(events())} events of {len(set(e['kind'] for e in events()))} kinds")


def happened_before():
    """For each event the set of those before it, by the recording's own pairs; not by clocks."""
    past, last, births, ends = {}, {}, {}, {}
    for e in events():
        if e["kind"] in ("baseline", "note"):
            continue
        seq, causes = e["seq"], [last.get(e["track"])]
        if e["kind"] == "receive":
            causes.append(e.get("partner"))
            told = re.match(r"\{#PID(<[0-9.]+>), ", e["content"]["text"])
            if e["label"] in ("down", "exit") and told:
                causes.append(ends.get(told[1]))
        elif e["kind"] == "spawned":
            causes.append(births.get(e["pid"]))
        past[seq] = set().union(*(past[c] | {c} for c in causes if c is not None and c in past))
        last[e["track"]] = seq
        if e["kind"] == "spawn":
            births[e["child"]] = seq
        if e["kind"] == "exit":
            ends[e["pid"]] = seq
    return past


def shiviz():
    regex, empty, log = read("sample.shiviz").split("\n", 2)
    same("second line", empty, "")
    # ShiViz' syntax for names is that of JavaScript.
    found = list(re.compile(regex.replace("(?<", "(?P<").replace(r"{.*}", r"\{.*\}")).finditer(log))
    same("every line is read", "".join(m[0] + "\n" for m in found), log)
    clocks, counts = {}, defaultdict(int)
    for m in found:
        clock, host = json.loads(m["clock"]), m["host"]
        counts[host] += 1
        same(f"own time of {host}", clock[host], counts[host])
        clocks[int(re.match(r"#(\d+) ", m["event"])[1])] = (host, clock)
    past = happened_before()
    same("events", sorted(clocks), sorted(past))
    for a, (host, clock) in clocks.items():
        for b, (_, other) in clocks.items():
            if a != b:
                same(f"#{a} before #{b}", clock[host] <= other.get(host, 0), a in past[b])
    print(f"{len(found)} events of {len(counts)} processes; clocks order just what came of one another")


def perfetto():
    from perfetto.trace_processor.platform import PlatformDelegate
    from perfetto.trace_processor.protos import ProtoFactory
    from perfetto.trace_processor.rpc import TraceProcessorRpc

    class Pipe:
        def __init__(self, command):
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def send(self, data):
            self.process.stdin.write(data)
            self.process.stdin.flush()

        def read(self, n):
            data = self.process.stdout.read(n)
            if len(data) < n:
                raise ConnectionError("the trace processor has ended")
            return data

        def close(self):
            self.process.stdin.close()
            self.process.wait(10)

    try:
        protos = ProtoFactory(PlatformDelegate())
    except TypeError:
        protos = ProtoFactory()
    pipe = Pipe(["node", sys.argv[3], sys.argv[4]])
    processor = TraceProcessorRpc(pipe, protos)
    method = protos.TraceProcessorRpc

    def request(**fields):
        stream = protos.TraceProcessorRpcStream()
        message = stream.msg.add()
        for field, value in fields.items():
            setattr(message, field, value)
        pipe.send(stream.SerializeToString())
        answer = protos.TraceProcessorRpc()
        answer.MergeFromString(processor._read_payload())
        return answer

    def query(sql):
        result = processor.execute_query(sql)
        if result.error:
            sys.exit(f"{sql}: {result.error}")
        cells = []
        for batch in result.batch:
            numbers, reals, texts = iter(batch.varint_cells), iter(batch.float64_cells), iter(batch.string_cells.split("\0"))
            take = {1: lambda: None, 2: lambda: next(numbers), 3: lambda: next(reals), 4: lambda: next(texts)}
            cells += [take[kind]() for kind in batch.cells]
        width = len(result.column_names)
        return [tuple(cells[i : i + width]) for i in range(0, len(cells), width)]

    trace = (directory / "sample.json").read_bytes()
    answer = request(request=method.TPM_APPEND_TRACE_DATA, append_trace_data=trace)
    same("loading", answer.append_result.error, "")
    request(request=method.TPM_FINALIZE_TRACE_DATA)

    same("faults of the trace", query("select name, value from stats where value > 0 and severity in ('error', 'data_loss')"), [])
    per_kind = dict(query("select category, count(*) from slice where dur >= 0 group by category"))
    want = expected["slices"]
    for kind in ("call", "handled", "message"):
        same(f"slices of {kind}", per_kind.get(kind), want[kind])
    flows = query("""select a.name, b.name, a.ts, b.ts from flow join slice a on a.id = flow.slice_out
                     join slice b on b.id = flow.slice_in""")
    same("arrows", len(flows), query("select count(*) from flow")[0][0])
    for a, b, _, _ in flows:
        same("an arrow's ends", (a.split(" ")[0], b.split(" ")[0]) in {("send", "receive"), ("spawned", "started")}, True)
    same("arrows of messages", sum(a.startswith("send ") for a, *_ in flows), want["messages"])
    same("arrows of spawns", sum(a.startswith("spawned ") for a, *_ in flows), want["spawns"])
    nested = query("""select a.name, count(*) from slice a join slice b on a.parent_id = b.id
                      where a.category = 'call' and a.ts + a.dur > b.ts + b.dur group by a.name""")
    same("calls that outlive what they are in", nested, [])
    same("calls by depth", query("select depth, count(*) from slice where category = 'call' group by depth order by depth"),
         [tuple(pair) for pair in want["depths"]])
    same("crashes", query("select count(*) from slice where category = 'crash'")[0][0], want["crashes"])
    counters = query("select count(distinct track_id) from counter")[0][0]
    same("counters", counters > 0, True)
    threads = {name for (name,) in query("select name from thread where name is not null")}
    same("threads", set(expected["tracks"]) <= threads, True)
    slices = query("select count(*) from slice")[0][0]
    pipe.close()
    print(f"{slices} slices, {len(flows)} arrows bound at both ends, {counters} counters, no fault in Perfetto's statistics")


def speedscope():
    import jsonschema

    profile, schema = json.loads(read("sample.speedscope.json")), json.loads(Path(sys.argv[3]).read_text())
    jsonschema.validate(profile, schema)
    frames, opened = profile["shared"]["frames"], 0
    for one in profile["profiles"]:
        stack, at = [], one["startValue"]
        for event in one["events"]:
            same("order", event["at"] >= at, True)
            at = event["at"]
            same("frame", event["frame"] < len(frames), True)
            if event["type"] == "O":
                stack.append(event["frame"])
                opened += 1
            else:
                same("nesting", stack.pop(), event["frame"])
        same("open at the end", stack, [])
        same("end", at <= one["endValue"], True)
    same("calls", opened, expected["slices"]["call"])
    print(f"{len(profile['profiles'])} profiles, {len(frames)} functions, {opened} calls, as its schema says")


def otlp():
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    # Protocol buffers' JSON has bytes in base64, but OTLP says that ids are hexadecimal: the one thing that is put right here.
    def base64(node):
        import base64 as b

        for key in ("traceId", "spanId", "parentSpanId"):
            if key in node:
                same(f"form of {key}", bool(re.fullmatch("[0-9a-f]{%d}" % (32 if key == "traceId" else 16), node[key])), True)
                node[key] = b.b64encode(bytes.fromhex(node[key])).decode()
        return node

    data = json.loads(read("sample.otlp.json"), object_hook=base64)
    request = json_format.Parse(json.dumps(data), ExportTraceServiceRequest())
    spans = [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
    by_id = {s.span_id: s for s in spans}
    same("ids", len(by_id), len(spans))
    same("spans", len(spans), expected["slices"]["call"] + expected["slices"]["handled"])
    across = 0
    for s in spans:
        same("time", s.start_time_unix_nano <= s.end_time_unix_nano, True)
        if s.parent_span_id:
            parent = by_id[s.parent_span_id]
            same("trace of a child", s.trace_id, parent.trace_id)
            same("start of a child", s.start_time_unix_nano >= parent.start_time_unix_nano, True)
            across += process(s) != process(parent)
        for link in s.links:
            same("link", link.trace_id, by_id[link.span_id].trace_id)
    links = sum(len(s.links) for s in spans)
    same("parents in other processes", across > 0, True)
    same("links", links > 0, True)
    errors = sum(s.status.code == 2 for s in spans)
    same("failures", errors > 0, True)
    print(f"{len(spans)} spans, {across} with a parent in another process, {links} links, {errors} failures")


def process(span):
    return next(a.value.string_value for a in span.attributes if a.key == "beam.process")


def plantuml():
    def run(option, text):
        command = ["java", "-Djava.awt.headless=true", "-jar", sys.argv[3], option] + (["-pipe"] if option != "-syntax" else [])
        return subprocess.run(command, input=text.encode(), capture_output=True, check=option != "-tsvg").stdout.decode()

    for name in ("sample.puml", "cut.puml"):
        same(name, run("-syntax", read(name)).split("\n")[0], "SEQUENCE")
    svg = run("-tsvg", read("sample.puml"))
    if "<svg" not in svg:
        return print("its syntax is right; nothing could be drawn on this machine")
    drawn = Counter(" ".join(html.unescape(t).split()) for t in re.findall(r"<text[^>]*>([^<]*)</text>", svg))
    for text in [step[2] for step in expected["diagram"]["steps"]] + expected["diagram"]["participants"]:
        same(f"drawn {text!r}", drawn[" ".join(text.split())] > 0, True)
    print(f"{len(expected['diagram']['steps'])} steps drawn as they were recorded")


{f.__name__: f for f in (jsonl, shiviz, perfetto, speedscope, otlp, plantuml)}[sys.argv[1]]()
