"""OpenAI's client for Python against the simulator's /v1 routes."""

import importlib.metadata
import json
import sys

import openai

from checks import run

HOST = sys.argv[1]
MODEL, THINKER, EMBEDDER = "gemma3:latest", "qwen3:8b", "nomic-embed-text:latest"
BUSY = "server busy, please try again.  maximum pending requests exceeded"
ASK = [{"role": "user", "content": "Why is the sky blue?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def connect(fault=""):
    headers = {"x-tandem-agent": fault} if fault else None
    return openai.OpenAI(base_url=f"{HOST}/v1", api_key="unused", max_retries=0, default_headers=headers)


client = connect()


def chat(of=client, **more):
    return of.chat.completions.create(**{"model": MODEL, "messages": ASK, "seed": 3, **more})


def refusal(kind, call):
    try:
        call()
    except kind as error:
        return error.body["message"] if isinstance(error.body, dict) else str(error)
    raise AssertionError(f"no {kind.__name__}")


def lists_the_models():
    models = {model.id: model for model in client.models.list()}
    assert set(models) == {MODEL, THINKER, EMBEDDER}
    assert models[MODEL].object == "model" and models[MODEL].owned_by == "library"
    assert client.models.retrieve(MODEL).id == MODEL


def chats():
    answer = chat()
    assert answer.object == "chat.completion" and answer.system_fingerprint == "fp_ollama"
    (choice,) = answer.choices
    assert choice.finish_reason == "stop" and choice.message.role == "assistant"
    assert len(choice.message.content) > 10
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > usage.prompt_tokens > 0


def streams_the_same_text():
    chunks = list(chat(stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == chat().choices[0].message.content
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"] and len(chunks) > 3
    assert len({chunk.id for chunk in chunks}) == 1 and all(chunk.usage is None for chunk in chunks)


def gives_usage_when_asked():
    chunks = list(chat(stream=True, max_tokens=4, stream_options={"include_usage": True}))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 4
    assert chunks[-2].choices[0].finish_reason == "length"


def obeys_limits():
    cut = chat(max_tokens=2)
    assert cut.choices[0].finish_reason == "length" and cut.usage.completion_tokens == 2
    text = chat().choices[0].message.content
    stop = text[10:13]
    assert chat(stop=[stop]).choices[0].message.content == text[: text.index(stop)]


def completes():
    answer = client.completions.create(model=MODEL, prompt="Once upon a time", seed=3)
    assert answer.object == "text_completion" and answer.choices[0].text
    chunks = list(client.completions.create(model=MODEL, prompt="Once upon a time", seed=3, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == answer.choices[0].text


def calls_tools():
    ask = [{"role": "user", "content": "weather in Paris?"}]
    answer = chat(messages=ask, tools=[WEATHER])
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "weather" and list(json.loads(call.function.arguments)) == ["city"]
    turns = ask + [answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    final = chat(messages=turns, tools=[WEATHER])
    assert final.choices[0].finish_reason == "stop" and final.choices[0].message.content
    streamed = [c for chunk in chat(messages=ask, tools=[WEATHER], stream=True) for c in chunk.choices[0].delta.tool_calls or []]
    assert [c.function.name for c in streamed] == ["weather"]


def thinks():
    # The field is Ollama's own, not OpenAI's.
    message = chat(model=THINKER, reasoning_effort="high").choices[0].message
    assert message.reasoning and message.content
    assert not hasattr(chat(model=THINKER, reasoning_effort="none").choices[0].message, "reasoning")


def answers_in_json():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    assert isinstance(json.loads(chat(response_format=form).choices[0].message.content)["n"], int)


def embeds():
    # This client asks for base64 unless told otherwise.
    short = client.embeddings.create(model=EMBEDDER, input=["one", "two"])
    plain = client.embeddings.create(model=EMBEDDER, input=["one", "two"], encoding_format="float")
    assert [len(item.embedding) for item in short.data] == [768, 768]
    for packed, given in zip(short.data, plain.data, strict=True):
        assert all(abs(a - b) < 1e-6 for a, b in zip(packed.embedding, given.embedding, strict=True))
    assert short.usage.prompt_tokens > 0


def reports_refusals():
    unknown = "model 'no-such-model' not found"
    assert refusal(openai.NotFoundError, lambda: chat(model="no-such-model")) == unknown
    looked_for = "model 'no-such-model:latest' not found"
    assert refusal(openai.NotFoundError, lambda: client.models.retrieve("no-such-model")) == looked_for
    assert refusal(openai.BadRequestError, lambda: chat(messages=[])) == "[] is too short - 'messages'"


def reports_a_busy_server():
    busy = connect("wants-busy")
    assert refusal(openai.InternalServerError, lambda: chat(busy)) == BUSY
    assert refusal(openai.InternalServerError, lambda: list(chat(busy, stream=True))) == BUSY


def cannot_tell_an_error_in_the_stream():
    # Ollama swallows it on /v1: an empty chunk, no reason, no [DONE]. The client sees a short answer.
    chunks = list(chat(connect("wants-error-line"), stream=True))
    assert chunks and all(chunk.choices[0].finish_reason is None for chunk in chunks)
    assert chunks[-1].model == "" and chunks[-1].choices[0].delta.content == ""


def reports_a_broken_connection():
    try:
        list(chat(connect("wants-reset"), stream=True))
    except Exception as error:
        # Some releases let the transport's own error through.
        assert isinstance(error, openai.APIError) or "httpx" in type(error).__module__ or "httpcore" in type(error).__module__, error
        return
    raise AssertionError("the reset went unnoticed")


run(
    "openai (Python)",
    importlib.metadata.version("openai"),
    [
        lists_the_models,
        chats,
        streams_the_same_text,
        gives_usage_when_asked,
        obeys_limits,
        completes,
        calls_tools,
        thinks,
        answers_in_json,
        embeds,
        reports_refusals,
        reports_a_busy_server,
        cannot_tell_an_error_in_the_stream,
        reports_a_broken_connection,
    ],
)
