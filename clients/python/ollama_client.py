"""The official Ollama client for Python against the simulator at the URL given."""

import asyncio
import importlib.metadata
import json
import sys

import httpx
import ollama

from checks import run

HOST = sys.argv[1]
MODEL, THINKER, EMBEDDER = "gemma3:latest", "qwen3:8b", "nomic-embed-text:latest"
BUSY = "server busy, please try again.  maximum pending requests exceeded"
ASK = [{"role": "user", "content": "Why is the sky blue?"}]
STEADY = {"seed": 3}

client = ollama.Client(host=HOST)


def faulty(what):
    return ollama.Client(host=HOST, headers={"x-tandem-agent": what})


def refusal(call):
    try:
        call()
    except ollama.ResponseError as error:
        return error.status_code, error.error
    raise AssertionError("no ResponseError")


def lists_the_models():
    models = {model.model: model for model in client.list().models}
    assert set(models) == {MODEL, THINKER, EMBEDDER}, models
    gemma = models[MODEL]
    assert gemma.size == 3_338_801_804 and len(gemma.digest) == 64
    assert gemma.details.quantization_level == "Q4_K_M" and gemma.details.family == "gemma3"
    assert gemma.modified_at.tzinfo is not None


def shows_a_model():
    shown = client.show(THINKER)
    assert shown.modelinfo["qwen3.block_count"] == 36
    assert "thinking" in shown.capabilities and shown.details.format == "gguf"


def generates():
    answer = client.generate(MODEL, "Once upon a time", options=STEADY)
    assert answer.done and answer.done_reason == "stop" and answer.model == MODEL
    assert answer.eval_count > 0 and answer.prompt_eval_count > 0
    assert answer.total_duration > 0 and len(answer.context) == answer.prompt_eval_count + answer.eval_count
    again = client.generate(MODEL, "Once upon a time", options=STEADY)
    assert again.response == answer.response and len(answer.response) > 10


def streams_the_same_text():
    whole = client.generate(MODEL, "Once upon a time", options=STEADY).response
    parts = list(client.generate(MODEL, "Once upon a time", options=STEADY, stream=True))
    assert "".join(part.response for part in parts) == whole
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert len(parts) > 3 and parts[0].eval_count is None and parts[-1].eval_count >= len(parts) - 1


def chats():
    answer = client.chat(MODEL, ASK, options=STEADY)
    assert answer.message.role == "assistant" and answer.message.content
    assert answer.message.thinking is None and answer.message.tool_calls is None
    parts = list(client.chat(MODEL, ASK, options=STEADY, stream=True))
    assert "".join(part.message.content for part in parts) == answer.message.content
    assert parts[-1].done_reason == "stop"


def chats_without_blocking():
    async def both():
        async_client = ollama.AsyncClient(host=HOST)
        asks = [async_client.chat(MODEL, ASK, options=STEADY) for _ in range(2)]
        one, two = await asyncio.gather(*asks)
        parts = [part async for part in await async_client.chat(MODEL, ASK, options=STEADY, stream=True)]
        return one, two, parts

    one, two, parts = asyncio.run(both())
    assert one.message.content == two.message.content == "".join(p.message.content for p in parts)


def thinks():
    answer = client.chat(THINKER, ASK, think=True, options=STEADY)
    assert answer.message.thinking and answer.message.content
    assert client.chat(THINKER, ASK, think=False).message.thinking is None
    status, words = refusal(lambda: client.chat(MODEL, ASK, think=True))
    assert (status, words) == (400, f'"{MODEL}" does not support thinking')


def calls_tools():
    def weather(city: str) -> str:
        """The weather in a city.

        Args:
            city: Its name.
        """
        return f"rain in {city}"

    answer = client.chat(MODEL, [{"role": "user", "content": "weather in Paris?"}], tools=[weather])
    (call,) = answer.message.tool_calls
    assert call.function.name == "weather" and list(call.function.arguments) == ["city"]
    result = weather(**call.function.arguments)
    turns = ASK + [answer.message, {"role": "tool", "tool_name": "weather", "content": result}]
    final = client.chat(MODEL, turns, tools=[weather])
    assert final.message.content and final.message.tool_calls is None


def answers_in_json():
    free = client.generate(MODEL, "json please", format="json")
    assert isinstance(json.loads(free.response), dict)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    fitted = client.generate(MODEL, "json please", format=schema)
    assert isinstance(json.loads(fitted.response)["n"], int)


def obeys_options():
    cut = client.generate(MODEL, "go on", options={"num_predict": 2})
    assert cut.done_reason == "length" and cut.eval_count == 2
    plain = client.generate(MODEL, "go on", options=STEADY).response
    stop = plain[10:13]
    stopped = client.generate(MODEL, "go on", options={**STEADY, "stop": [stop]})
    assert stopped.response == plain[: plain.index(stop)] and stopped.done_reason == "stop"


def loads_lists_and_unloads():
    assert client.generate(MODEL, "", keep_alive="10m").done_reason == "load"
    loaded = {model.model: model for model in client.ps().models}[MODEL]
    assert loaded.size_vram == loaded.size > 0 and loaded.context_length == 4096
    assert loaded.expires_at.tzinfo is not None
    assert client.generate(MODEL, "", keep_alive=0).done_reason == "unload"
    assert MODEL not in [model.model for model in client.ps().models]


def embeds():
    answer = client.embed(EMBEDDER, ["one", "two", "one"])
    assert len(answer.embeddings) == 3 and len(answer.embeddings[0]) == 768
    assert answer.embeddings[0] == answer.embeddings[2] != answer.embeddings[1]
    assert abs(sum(x * x for x in answer.embeddings[0]) - 1) < 1e-3
    assert list(client.embeddings(EMBEDDER, "one").embedding) == list(answer.embeddings[0])


def reports_an_unknown_model():
    status, words = refusal(lambda: client.chat("no-such-model", ASK))
    assert (status, words) == (404, "model 'no-such-model' not found")
    status, words = refusal(lambda: list(client.generate("no-such-model", "x", stream=True)))
    assert (status, words) == (404, "model 'no-such-model' not found")
    assert refusal(lambda: client.show("no-such-model"))[0] == 404
    assert refusal(lambda: client.embed("no-such-model", "x"))[0] == 404


def reports_a_bad_option():
    status, words = refusal(lambda: client.generate(MODEL, "x", options={"num_ctx": "big"}))
    assert (status, words) == (500, 'option "num_ctx" must be of type integer')


def reports_a_busy_server():
    busy = faulty("wants-busy")
    assert refusal(lambda: busy.chat(MODEL, ASK)) == (503, BUSY)
    assert refusal(lambda: list(busy.chat(MODEL, ASK, stream=True))) == (503, BUSY)


def reports_an_error_in_the_stream():
    seen = []

    def read():
        for part in faulty("wants-error-line").generate(MODEL, "x", stream=True):
            seen.append(part)

    status, words = refusal(read)
    assert seen and not any(part.done for part in seen), "text came first"
    assert status == -1 and words, (status, words)


def reports_a_broken_connection():
    try:
        list(faulty("wants-reset").generate(MODEL, "x", stream=True))
    except (ConnectionError, httpx.HTTPError):
        return
    raise AssertionError("the reset went unnoticed")


def sees_that_an_answer_is_not_done():
    parts = list(faulty("wants-eof").generate(MODEL, "x", stream=True))
    assert parts and not parts[-1].done


run(
    "ollama (Python)",
    importlib.metadata.version("ollama"),
    [
        lists_the_models,
        shows_a_model,
        generates,
        streams_the_same_text,
        chats,
        chats_without_blocking,
        thinks,
        calls_tools,
        answers_in_json,
        obeys_options,
        loads_lists_and_unloads,
        embeds,
        reports_an_unknown_model,
        reports_a_bad_option,
        reports_a_busy_server,
        reports_an_error_in_the_stream,
        reports_a_broken_connection,
        sees_that_an_answer_is_not_done,
    ],
)
