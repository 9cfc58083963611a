#!/usr/bin/env python3
"""Drives a running server with the official clients (pip install openai anthropic ollama).

    tashika serve --port 8080 &
    python3 tests/serve/clients/clients.py http://127.0.0.1:8080 [MODEL]

Each check prints a line; the exit code is 1 when one fails. No part of `./dev test`, which needs no Python.
"""
import asyncio
import sys

import anthropic
import ollama
import openai

base = sys.argv[1].rstrip("/")
oa = openai.OpenAI(base_url=base + "/v1", api_key="none", max_retries=0)
model = sys.argv[2] if len(sys.argv) > 2 else oa.models.list().data[0].id
an = anthropic.Anthropic(base_url=base, api_key="none", max_retries=0)
ol = ollama.Client(host=base)
chat = [{"role": "user", "content": "Say hello."}]
greedy = {"temperature": 0}  # Anthropic's client no longer has the argument
failed = 0


def check(name, run):
    global failed
    try:
        run()
        print(f"ok      {name}")
    except Exception as error:  # every kind of failure is one line
        failed += 1
        print(f"FAILED  {name}: {type(error).__name__}: {error}")


def openai_models():
    assert model in [m.id for m in oa.models.list()]
    assert oa.models.retrieve(model).id == model


def openai_completion():
    whole = oa.completions.create(model=model, prompt="Once upon", max_tokens=12, seed=3, logprobs=2, n=2)
    assert len(whole.choices) == 2 and whole.usage.completion_tokens == sum(len(c.logprobs.tokens) for c in whole.choices)
    parts = ["", ""]
    for chunk in oa.completions.create(model=model, prompt="Once upon", max_tokens=12, seed=3, n=2, stream=True):
        for choice in chunk.choices:
            parts[choice.index] += choice.text
    assert parts == [c.text for c in whole.choices]


def openai_chat():
    whole = oa.chat.completions.create(model=model, messages=chat, max_tokens=16, temperature=0, logprobs=True, top_logprobs=2)
    text, usage = "", None
    for chunk in oa.chat.completions.create(model=model, messages=chat, max_tokens=16, temperature=0, stream=True,
                                            stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
    assert text == whole.choices[0].message.content
    assert usage.completion_tokens == whole.usage.completion_tokens == len(whole.choices[0].logprobs.content)
    assert usage.prompt_tokens_details.cached_tokens > 0


def openai_chat_accumulates():
    with oa.chat.completions.stream(model=model, messages=chat, max_tokens=8, temperature=0) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content


def openai_responses():
    whole = oa.responses.create(model=model, input="Say hello.", instructions="Be brief.", max_output_tokens=400, temperature=0)
    assert whole.status == "completed" and whole.output_text
    events = list(oa.responses.create(model=model, input="Say hello.", instructions="Be brief.", max_output_tokens=400,
                                      temperature=0, stream=True))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole.output_text
    assert events[-1].type == "response.completed" and events[-1].response.output_text == whole.output_text
    assert [e.sequence_number for e in events] == list(range(len(events)))
    cut = oa.responses.create(model=model, input="Say hello.", max_output_tokens=1)
    assert cut.status == "incomplete" and cut.incomplete_details.reason == "max_output_tokens"


def openai_errors():
    for run, kind in [
        (lambda: oa.completions.create(model="nope", prompt="x"), openai.NotFoundError),
        (lambda: oa.completions.create(model=model, prompt="x", temperature=99), openai.BadRequestError),
        (lambda: oa.chat.completions.create(model=model, messages=[]), openai.BadRequestError),
    ]:
        try:
            run()
        except kind as error:
            assert error.body["message"] and error.body["type"]
        else:
            raise AssertionError(f"no {kind.__name__}")


def openai_embeddings():
    numbers = oa.embeddings.create(model=model, input=["a cat", "a dog"], encoding_format="float").data
    packed = oa.embeddings.create(model=model, input=["a cat", "a dog"]).data  # the client asks for base64
    same = ol.embed(model=model, input=["a cat", "a dog"])["embeddings"]
    for a, b, c in zip(numbers, packed, same):
        assert a.embedding == b.embedding == list(c) and abs(sum(x * x for x in a.embedding) - 1) < 1e-5


def anthropic_messages():
    whole = an.messages.create(model=model, max_tokens=400, messages=chat, system="Be brief.", extra_body=greedy)
    assert whole.content[0].text and whole.stop_reason == "end_turn"
    with an.messages.stream(model=model, max_tokens=400, messages=chat, system="Be brief.", extra_body=greedy) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[0].text == final.content[0].text and final.stop_reason == "end_turn"
    assert final.usage.output_tokens == whole.usage.output_tokens
    count = an.messages.count_tokens(model=model, messages=chat, system="Be brief.").input_tokens
    assert count == final.usage.input_tokens + final.usage.cache_read_input_tokens
    assert an.messages.create(model=model, max_tokens=1, messages=chat).stop_reason == "max_tokens"
    try:
        an.messages.create(model="nope", max_tokens=1, messages=chat)
    except anthropic.NotFoundError:
        return
    raise AssertionError("no NotFoundError")


def ollama_routes():
    assert f"{model}:latest" in [m.model for m in ol.list().models]
    assert model in [m.model.removesuffix(":latest") for m in ol.ps().models]
    assert ol.show(model).capabilities
    options = {"temperature": 0, "num_predict": 400}
    whole = ol.chat(model, chat, options=options)
    text = "".join(part.message.content for part in ol.chat(model + ":latest", chat, options=options, stream=True))
    assert text == whole.message.content and whole.done and whole.eval_count > 0
    assert ol.generate(model, "Say hello.", options=options).response == whole.message.content
    raw = "".join(part.response for part in ol.generate(model, "Once upon", raw=True, options={"temperature": 0, "num_predict": 9}, stream=True))
    assert raw == oa.completions.create(model=model, prompt="Once upon", temperature=0, max_tokens=9).choices[0].text
    try:
        ol.chat("nope", chat)
    except ollama.ResponseError as error:
        assert error.status_code == 404
    else:
        raise AssertionError("no ResponseError")


def many_at_once():
    async def all_of_them():
        client = openai.AsyncOpenAI(base_url=base + "/v1", api_key="none")
        return await asyncio.gather(*[client.completions.create(model=model, prompt="Once upon", max_tokens=20, seed=i % 4) for i in range(40)])

    texts = [answer.choices[0].text for answer in asyncio.run(all_of_them())]
    assert all(texts[i] == texts[i % 4] for i in range(40))


for name, run in list(globals().items()):
    if callable(run) and getattr(run, "__module__", None) == "__main__" and name not in ("check",):
        check(name, run)
sys.exit(failed > 0)
