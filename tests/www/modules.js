// The pages' pure modules: [module, what is asked of it, what it shall answer]. Resolves to {asked, wrong: [...]}.
async () => {
  const view = (...values) => new DataView(new Float32Array(values).buffer);
  const buckets = (...records) => {
    const into = new DataView(new ArrayBuffer(28 * records.length)); // first step and count, then min, max, last
    records.forEach(([first, count, ...parts], n) => {
      into.setFloat64(28 * n, first, true);
      into.setFloat64(28 * n + 8, count, true);
      parts.forEach((part, k) => into.setFloat32(28 * n + 16 + 4 * k, part, true));
    });
    return into;
  };
  const rowsOf = (put, ...lines) => {
    const rows = new Map();
    for (const line of lines) put(rows, line);
    return [...rows.values()];
  };
  const levels = (counts) => Object.entries(counts).map(([level, count]) => ({ level: Number(level), count }));
  const at = (minutes) => new Date(60_000 * minutes).toISOString();
  const ended = (...minutes) => minutes.map((n) => ({ ended_at: n === null ? null : at(n) }));
  const tally = (total, failed, ...top_errors) => ({ total, failed, fail_rate: failed / total, top_errors });
  const noise = (count) => Array.from({ length: count }, (_, n) => ({ loss_ema: 1 + (n % 2) / 100 }));
  const file = (name, content) => new File([content], name);

  const checkpoint = { name: "checkpoint-500-20260101-0000", step: 500, at: "2026-01-01T00:00:00Z", train_loss: 1.5, val_loss: null, skill: "bin", level: 1, tags: ["latest"], exams: [] };
  const said = (model, text, isKept = true) => ({ model, text, isKept, state: "done" });
  const talk = [
    { prompt: "1", replies: [said("x", "a"), said("y", "b")] },
    { prompt: "2", replies: [said("x", "z", false), said("y", "")] },
    { prompt: "3", replies: [said("x", "c")] },
  ];

  const CASES = [
    ["format", (m) => [null, undefined, NaN, Infinity, 0].map(m.compact), ["–", "–", "–", "–", "0"]],
    ["format", (m) => [9999, 10000, 12345, 99999, 1234567, 2e9, 3e12].map(m.compact), ["9,999", "10.0k", "12.3k", "100k", "1.23M", "2.00G", "3.00T"]],
    ["format", (m) => [2 ** 64, -54321].map(m.compact), ["1.84e+19", "-54.3k"]],
    ["format", (m) => [0.1, 12345.678, 0.00001234, 3, 123456789012, null].map(m.exactly), ["0.1", "12,345.678", "0.00001234", "3", "123,456,789,012", "–"]],
    ["format", (m) => [1234.5, 0.5, null].map(m.whole), ["1,235", "1", "–"]],
    ["format", (m) => [m.fixed(1.23456), m.fixed(1.23456, 1), m.fixed(null)], ["1.235", "1.2", "–"]],
    ["format", (m) => [m.percent(0.456), m.percent(0.456, 1), m.percent(undefined)], ["46 %", "45.6 %", "–"]],
    ["format", (m) => [4, 4.2, 123.4, 0.05].map(m.rate), ["4", "4.2", "123", "0.05"]],
    ["format", (m) => [0, 1023, 1024, 1.5 * 2 ** 30, 2 ** 41].map(m.bytes), ["0 B", "1023 B", "1.00 KiB", "1.50 GiB", "2.00 TiB"]],
    ["format", (m) => [-3, 59.4, 59.6, 3569, 3600, 7500, 176400].map(m.span), ["0 s", "59 s", "1 m", "59 m", "1 h 0 m", "2 h 5 m", "2 d 1 h"]],
    ["format", (m) => [m.plural(1, "quest"), m.plural(2000, "quest"), m.plural(2, "batch", "batches")], ["1 quest", "2,000 quests", "2 batches"]],
    ["format", (m) => m.plainly("20261123T010045.956949Z-sums-9cba0291 is fought"), "sums is fought"],
    ["format", (m) => m.clock("2026-11-23T01:02:03Z"), "23 Nov 2026, 01:02:03 UTC"],

    ["pyramid", (m) => m.decodedSteps(view(1, 0.5, 1, NaN, 0, 7, 1, 2), 100, ["loss"], 8).steps, [101, 102, 104]],
    ["pyramid", (m) => m.decodedSteps(view(1, 0.5, 1, NaN, 0, 7, 1, 2), 100, ["loss"], 8).series.loss.max, [0.5, null, 2]],
    ["pyramid", (m) => m.decoded(buckets([1, 8, 0.5, 2, 1], [9, 0, 3, 3, 3], [17, 2, NaN, NaN, NaN]), ["loss"], 28),
      { steps: [1, 17], series: { loss: { min: [0.5, null], max: [2, null], last: [1, null] } } }],

    ["blows", (m) => [0.99, 0.985, 0.5].map((loss) => m.isCritical(noise(60), loss)), [false, false, true]],
    ["blows", (m) => m.isCritical(noise(59), 0.1), false],

    ["rows", (m) => rowsOf(m.put, '{"step": 1}', '{"step": 2, "loss": 3}', "garbage", '{"step": 3}', '{"rewind_to_step": 1}', '{"step": 2, "loss": 4}'),
      [{ step: 1 }, { step: 2, loss: 4 }]],

    ["pace", (m) => m.around({ middle: 840, low: 720, high: 1020 }), "14 m (12–17)"],
    ["pace", (m) => m.around({ middle: 40, low: 32.3, high: 58 }), "40 s (32–58)"],
    ["pace", (m) => m.around({ middle: 50, low: 40, high: 70 }), "50 s (40 s to 1 m)"],
    ["pace", (m) => m.around({ middle: 7500, low: 7200, high: 9000 }), "2 h 5 m (2 h 0 m to 2 h 30 m)"],
    ["pace", (m) => [m.around({ middle: 840, low: 835, high: 845 }), m.around({ middle: 840 })], ["14 m", "14 m"]],
    ["pace", (m) => m.nextLevelOf({ seconds_to_next_level: null, seconds_to_next_level_range: null }), null],
    ["pace", (m) => m.nextLevelOf({ seconds_to_next_level: 840, seconds_to_next_level_range: [720, 1020] }), "14 m (12–17)"],
    ["pace", (m) => m.questPace(ended(30, 20, 10, 10, 1), at(5), 60_000 * 31), { perHour: 6, count: 2, seconds: 1200 }],
    ["pace", (m) => m.questPace(ended(10, 10, null), at(5), 60_000 * 31), null],
    ["pace", (m) => m.questPace(ended(400, 30), at(0), 60_000 * 401), null],

    ["decisions", (m) => m.inWords(levels({ 1: 75, 2: 75, 3: 75, 4: 75, 5: 400, 6: 150, 7: 150 })), "levels 1–4: 30 %, 5: 40 %, 6–7: 30 %"],
    ["decisions", (m) => m.inWords(levels({ 1: 11, 2: 10, 4: 10 })), "levels 1–2: 68 %, 4: 32 %"],
    ["decisions", (m) => m.inWords(levels({ 3: 9 })), "level 3: 100 %"],
    ["decisions", (m) => m.runsOf(["bin", "bin", "sy", "bin"].map((skill, number) => ({ number, skill, reason: "", parts: [] }))).map(({ first, last }) => [first, last]),
      [[0, 1], [2, 2], [3, 3]]],

    ["lineage", (m) => m.mostRejected({ "a@1": tally(9, 0) }), { name: null, text: "None: all 9 drops were admitted." }],
    ["lineage", (m) => m.mostRejected({ "a@1": tally(90, 4), "b@2": tally(4, 3) }), { name: "a@1", text: "4 of its 90 drops were turned away (4 %)." }],
    ["lineage", (m) => m.mostAggressive({ "q@1": tally(90, 9, { finding: "torn", count: 5 }), "s@1": tally(9, 8) }),
      { name: "q@1", text: "turned away 9 of the 90 drops that it saw (10 %), most often for torn (5)." }],
    ["lineage", (m) => m.mostAggressive({ "s@1": tally(9, 8) }).text, "turned away 8 of the 9 drops that it saw (89 %). That is too few to judge: 10 are enough."],
    ["lineage", (m) => m.mostAggressive({ "s@1": tally(9, 0) }).name, null],

    ["touch", (m) => m.pinched([10, 20], [0, 100], 100, { first: 0, last: 1000 }), { min: 10, max: 20 }],
    ["touch", (m) => m.pinched([10, 20], [40, 60], 100, { first: 0, last: 1000 }), { min: 0, max: 50 }],
    ["touch", (m) => m.pinched([400, 600], [100, 300], 400, { first: 0, last: 1000 }), { min: 300, max: 700 }],
    ["touch", (m) => m.pinched([1, 1], [0, 100], 100, { first: 0, last: 9 }), { min: 0, max: 2 }],

    ["ladder", (m) => [null, undefined, 0, 0.5, 0.79, 0.8].map((one) => m.heatOf({ threshold: 0.8 }, one)), ["heat-none", "heat-none", "heat-low", "heat-mid", "heat-mid", "heat-high"]],

    ["oracle/stream", (m) => m.cut('data: {"text":"a"}\n\n: remark\n\ndata: {"text":"b'), [[{ text: "a" }], 'data: {"text":"b']],
    ["oracle/stream", (m) => m.cut(""), [[], ""]],
    ["oracle/thoughts", (m) => m.partsOf("<think>1+1\n</think>\n\n2"), [{ isThought: true, text: "1+1" }, { isThought: false, text: "2" }]],
    ["oracle/thoughts", (m) => m.partsOf("a<think>b"), [{ isThought: false, text: "a" }, { isThought: true, text: "b" }]],
    ["oracle/thoughts", (m) => m.partsOf("<think></think> \n"), []],
    ["oracle/search", (m) => ["", "bin", "step>400 loss<2", "loss<1", "champion", "500 bin", "val<9"].map((query) => m.matches(checkpoint, query)), [true, true, true, false, false, true, false]],
    ["oracle/chat", (m) => m.paceOf({ usage: { completion_tokens: 11 }, pieces: 3, seconds: 2 }), 5],
    ["oracle/chat", (m) => [m.paceOf({ usage: null, pieces: 1, seconds: 2 }), m.paceOf({ usage: null, pieces: 5, seconds: 0 })], [null, null]],
    ["oracle/keeping", (m) => m.keptChats(talk).map(({ messages, answers }) => [messages.map(({ content }) => content), answers.map(({ model }) => model)]), [[["1", "a", "3", "c"], ["x", "x"]], [["1", "b"], ["y"]]]],
    ["oracle/oracles", (m) => [100, 199, null].map((budget_bytes) => m.fitTogether({ budget_bytes }, [{ bytes: 50 }, { bytes: 100 }])), [false, true, true]],
    ["oracle/chamber", (m) => [{ error: 1 }, { value: { is_reachable: false } }, { value: { is_reachable: true, backend: "embedded", models: [] } }].map((told) => m.moodOf(told, false)), ["silent", "silent", "asleep"]],
    ["oracle/picker", (m) => ["checkpoint-190000-20251127-1430", "base", null].map(m.shortName), ["step 190,000", "base", "nobody"]],

    ["mood", (m) => [null, { skill: "bin" }, { schema_id: "completion_v1" }, {}].map(m.enemyOf), ["dummy", "golem", "tome", "scroll"]],

    ["uploads", (m) => m.lookAt(file("a.txt", "x")), "a.txt is no quest: quests end in .jsonl, .jsonl.gz or .jsonl.zst"],
    ["uploads", (m) => m.lookAt(file("a.jsonl", "")), "a.jsonl is empty"],
    ["uploads", (m) => m.lookAt(file("a.jsonl", '{"text": "x"}\n\n{"question": 1}')), "a.jsonl, line 3: none of messages, prompt + completion, text is in it"],
    ["uploads", (m) => m.lookAt(file("a.jsonl", '{"text": "x"}\n')), null],
  ];

  const wrong = [];
  for (const [module, ask, expected] of CASES) {
    const [told, wanted] = [await ask(await import(`/js/${module}.js`)), expected].map((one) => JSON.stringify(one));
    if (told !== wanted) wrong.push(`${module}: ${ask} tells ${told}, not ${wanted}`);
  }
  return { asked: CASES.length, wrong };
}
