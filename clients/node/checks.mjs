// The official Ollama client for JavaScript against the simulator at the URL given.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Ollama } from "ollama";

const host = process.argv[2];
const MODEL = "gemma3:latest";
const THINKER = "qwen3:8b";
const EMBEDDER = "nomic-embed-text:latest";
const BUSY = "server busy, please try again.  maximum pending requests exceeded";
const messages = [{ role: "user", content: "Why is the sky blue?" }];
const options = { seed: 3 };

const client = new Ollama({ host });
const faulty = (what) => new Ollama({ host, headers: { "x-tandem-agent": what } });

async function collect(stream) {
  const parts = [];
  for await (const part of await stream) parts.push(part);
  return parts;
}

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail("it was not refused");
}

const weather = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

const checks = {
  async "lists the models"() {
    const { models } = await client.list();
    assert.deepEqual(models.map((m) => m.model).sort(), [MODEL, EMBEDDER, THINKER].sort());
    const gemma = models.find((m) => m.model === MODEL);
    assert.equal(gemma.size, 3338801804);
    assert.equal(gemma.details.quantization_level, "Q4_K_M");
  },
  async "shows a model"() {
    const shown = await client.show({ model: THINKER });
    assert.equal(shown.model_info["qwen3.block_count"], 36);
    assert(shown.capabilities.includes("thinking"));
  },
  async "generates"() {
    const answer = await client.generate({ model: MODEL, prompt: "Once upon a time", options });
    assert.equal(answer.done, true);
    assert.equal(answer.done_reason, "stop");
    assert(answer.eval_count > 0 && answer.total_duration > 0 && answer.response.length > 10);
    assert.equal(answer.context.length, answer.prompt_eval_count + answer.eval_count);
  },
  async "streams the same text"() {
    const ask = { model: MODEL, prompt: "Once upon a time", options };
    const whole = await client.generate(ask);
    const parts = await collect(client.generate({ ...ask, stream: true }));
    assert.equal(parts.map((p) => p.response).join(""), whole.response);
    assert.equal(parts.filter((p) => p.done).length, 1);
    assert.equal(parts.at(-1).done, true);
    assert(parts.length > 3);
  },
  async "chats"() {
    const answer = await client.chat({ model: MODEL, messages, options });
    assert.equal(answer.message.role, "assistant");
    const parts = await collect(client.chat({ model: MODEL, messages, options, stream: true }));
    assert.equal(parts.map((p) => p.message.content).join(""), answer.message.content);
    assert.equal(parts.at(-1).done_reason, "stop");
  },
  async "stops reading when told to"() {
    const stream = await client.chat({ model: MODEL, messages, options, stream: true });
    const error = await refusal(
      (async () => {
        for await (const part of stream) if (!part.done) stream.abort();
      })(),
    );
    assert.equal(error.name, "AbortError");
    assert.equal((await client.chat({ model: MODEL, messages, options })).done, true);
  },
  async "thinks"() {
    const answer = await client.chat({ model: THINKER, messages, think: true, options });
    assert(answer.message.thinking.length > 0 && answer.message.content.length > 0);
    const plain = await client.chat({ model: THINKER, messages, think: false });
    assert.equal(plain.message.thinking, undefined);
    const error = await refusal(client.chat({ model: MODEL, messages, think: true }));
    assert.equal(error.status_code, 400);
    assert.equal(error.message, `"${MODEL}" does not support thinking`);
  },
  async "calls tools"() {
    const ask = [{ role: "user", content: "weather in Paris?" }];
    const { message } = await client.chat({ model: MODEL, messages: ask, tools: [weather] });
    assert.equal(message.tool_calls.length, 1);
    const call = message.tool_calls[0].function;
    assert.equal(call.name, "weather");
    assert.equal(typeof call.arguments.city, "string");
    const turns = [...ask, message, { role: "tool", tool_name: "weather", content: "rain" }];
    const final = await client.chat({ model: MODEL, messages: turns, tools: [weather] });
    assert(final.message.content.length > 0);
    assert.equal(final.message.tool_calls, undefined);
  },
  async "answers in JSON"() {
    const free = await client.generate({ model: MODEL, prompt: "json", format: "json" });
    assert.equal(typeof JSON.parse(free.response), "object");
    const format = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
    const fitted = await client.generate({ model: MODEL, prompt: "json", format });
    assert(Number.isInteger(JSON.parse(fitted.response).n));
  },
  async "obeys num_predict"() {
    const cut = await client.generate({ model: MODEL, prompt: "go", options: { num_predict: 2 } });
    assert.equal(cut.done_reason, "length");
    assert.equal(cut.eval_count, 2);
  },
  async "loads, lists and unloads"() {
    const loaded = await client.generate({ model: MODEL, prompt: "", keep_alive: "10m" });
    assert.equal(loaded.done_reason, "load");
    const entry = (await client.ps()).models.find((m) => m.model === MODEL);
    assert(entry.size > 0 && entry.size === entry.size_vram);
    assert(new Date(entry.expires_at) > new Date(entry.expires_at).getTimezoneOffset());
    const gone = await client.generate({ model: MODEL, prompt: "", keep_alive: 0 });
    assert.equal(gone.done_reason, "unload");
    assert(!(await client.ps()).models.some((m) => m.model === MODEL));
  },
  async "embeds"() {
    const answer = await client.embed({ model: EMBEDDER, input: ["one", "two", "one"] });
    const [one, two, again] = answer.embeddings;
    assert.equal(one.length, 768);
    assert.deepEqual(one, again);
    assert.notDeepEqual(one, two);
    const old = await client.embeddings({ model: EMBEDDER, prompt: "one" });
    assert.deepEqual(old.embedding, one);
  },
  async "reports an unknown model"() {
    for (const stream of [false, true]) {
      const error = await refusal(client.chat({ model: "no-such-model", messages, stream }));
      assert.equal(error.name, "ResponseError");
      assert.equal(error.status_code, 404);
      assert.equal(error.message, "model 'no-such-model' not found");
    }
    assert.equal((await refusal(client.show({ model: "no-such-model" }))).status_code, 404);
  },
  async "reports a bad option"() {
    const bad = { model: MODEL, prompt: "x", options: { num_ctx: "big" } };
    const error = await refusal(client.generate(bad));
    assert.equal(error.status_code, 500);
    assert.equal(error.message, 'option "num_ctx" must be of type integer');
  },
  async "reports a busy server"() {
    const error = await refusal(faulty("wants-busy").chat({ model: MODEL, messages }));
    assert.equal(error.status_code, 503);
    assert.equal(error.message, BUSY);
  },
  async "reports an error in the stream"() {
    const seen = [];
    const error = await refusal(
      (async () => {
        const ask = { model: MODEL, prompt: "x", stream: true };
        for await (const part of await faulty("wants-error-line").generate(ask)) seen.push(part);
      })(),
    );
    assert(seen.length > 0 && seen.every((part) => !part.done));
    assert.match(error.message, /error was encountered while running the model/);
  },
  async "reports an answer that is not done"() {
    const error = await refusal(
      collect(faulty("wants-eof").generate({ model: MODEL, prompt: "x", stream: true })),
    );
    assert.match(error.message, /Did not receive done or success response in stream/);
  },
  async "reports a broken connection"() {
    const ask = { model: MODEL, prompt: "x", stream: true };
    const error = await refusal(collect(faulty("wants-reset").generate(ask)));
    assert(error instanceof Error);
  },
};

const failed = [];
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
  } catch (error) {
    failed.push(name);
    console.error(`${name}:`, error);
  }
}
const file = new URL("./node_modules/ollama/package.json", import.meta.url);
const { version } = JSON.parse(readFileSync(file, "utf8"));
const count = Object.keys(checks).length;
console.log(`ollama (JavaScript) ${version}: ${count - failed.length} of ${count} checks hold`);
if (failed.length > 0) console.log(`  failed: ${failed.join(", ")}`);
process.exit(failed.length > 0 ? 1 : 0);
