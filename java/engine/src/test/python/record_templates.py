"""Records what transformers renders, for ChatTemplateTest, and what jinja2 prints, for TemplateTest.

usage: record_templates.py TEMPLATES_DIRECTORY       (needs transformers and jinja2 3.1)
"""

import json
import sys
from datetime import datetime
from pathlib import Path

import transformers.utils.chat_template_utils as chat
from snippets import CONTEXT, SNIPPETS

NOW = datetime(2026, 2, 3, 4, 5, 6)

SPECIAL = {
    "qwen2.5": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "qwen3": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "tiny": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "qwen3-thinking-style": {"eos_token": "<|im_end|>"},
    "minimind2": {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"},
    "deepseek-r1-distill-qwen": {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"},
    "llama3-style": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "mistral-style": {"bos_token": "<s>", "eos_token": "</s>"},
    "documents-style": {"bos_token": "<s>", "eos_token": "</s>"},
}


def function(name, description, properties, required):
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def call(name, arguments, id="abcdefgh1"):
    return {"type": "function", "id": id, "function": {"name": name, "arguments": arguments}}


def say(role, content, **more):
    return {"role": role, "content": content, **more}


TOOLS = {
    "none": None,
    "empty": [],
    "weather": [
        function(
            "get_weather",
            "Weather in a <city> & its \"suburbs\" — météo 天气",
            {"city": {"type": "string", "enum": ["Zürich", "北京"]}, "days": {"type": "integer", "minimum": 1}},
            ["city"],
        )
    ],
    "two": [
        function("search", "It's a search", {"q": {"type": "string"}, "limit": {"type": "number", "default": 1.5}}, []),
        function("add", "Adds", {}, []),
    ],
}

SYSTEM = say("system", "  Be brief.\nÜber alles: kind. ")
CONVERSATIONS = {
    "one": [say("user", "What is 2+2?")],
    "unicode": [say("user", "¿Qué es 数学? 👩‍🚀 \u2028 \x07 'quote' \"double\" \\ {{ braces }} {% tag %}")],
    "blank": [say("user", "")],
    "spaces": [say("user", " \n two  words \t\n ")],
    "system": [SYSTEM, say("user", "Hi")],
    "turns": [SYSTEM, say("user", "Hi"), say("assistant", "Hello."), say("user", "3*4?"), say("assistant", "12"), say("user", "Bye")],
    "no_system": [say("user", "Hi"), say("assistant", "Hello."), say("user", "Bye")],
    "think": [
        say("user", "Hi"),
        say("assistant", "<think>\nLet me see.\n\n</think>\n\nHello."),
        say("user", "Again"),
        say("assistant", "<think>\n\n</think>\n\nHello again."),
    ],
    "think_twice": [say("user", "Hi"), say("assistant", "a</think>b<think>c</think>\n\n d "), say("user", "?")],
    "reasoning": [
        say("user", "Hi"),
        say("assistant", "Hello.", reasoning_content="\nI greet.\n"),
        say("user", "Again"),
        say("assistant", "Hello again.", reasoning_content="I greet\nagain. "),
    ],
    "reasoning_none": [say("user", "Hi"), say("assistant", "Hello.", reasoning_content=None), say("user", "?")],
    "ends_with_assistant": [SYSTEM, say("user", "Hi"), say("assistant", "Hello.")],
    "late_system": [say("user", "Hi"), say("system", "New rules."), say("user", "Go")],
    "only_system": [SYSTEM],
    "calls": [
        say("user", "Weather in Zürich?"),
        say("assistant", "", tool_calls=[call("get_weather", {"city": "Zürich", "days": 2, "x": [1, 2.0, None, True], "y": {"a": "<b>"}})]),
        say("tool", '{"sky": "blue", "temp": 21.5}', tool_call_id="abcdefgh1"),
        say("assistant", "Blue."),
        say("user", "Thanks"),
    ],
    "calls_text": [
        SYSTEM,
        say("user", "Search"),
        say("assistant", "I will.", reasoning_content="Hm.", tool_calls=[call("search", {"q": "it's", "limit": 1e20}), call("add", {})]),
        say("tool", "first", tool_call_id="abcdefgh1"),
        say("tool", "second", tool_call_id="abcdefgh1"),
    ],
    "calls_string": [
        say("user", "Search"),
        say("assistant", None, tool_calls=[call("search", '{"q": "x"}'), call("search", '{"q": "y"}'), call("search", '{}')]),
        say("tool", "first", tool_call_id="abcdefgh1"),
        say("assistant", "Done."),
    ],
    "calls_flat": [
        say("user", "Search"),
        say("assistant", "", tool_calls=[{"name": "search", "arguments": {"q": "x"}}]),
        say("tool", "first", tool_call_id="short"),
    ],
    "calls_empty": [say("user", "Hi"), say("assistant", "Hello.", tool_calls=[]), say("user", "?")],
    "tool_response_text": [
        say("user", "Real question"),
        say("assistant", "<think>\nx\n</think>\n\n", tool_calls=[call("add", {"a": -1, "b": 12345678901234567890})]),
        say("user", "<tool_response>\n3\n</tool_response>"),
        say("assistant", "Three.", reasoning_content="y"),
    ],
    "parts": [say("user", [{"type": "text", "text": "Look:"}, {"type": "image"}, {"type": "text", "text": "What?"}])],
    "null": [say("user", None)],
    "no_content": [{"role": "user"}, say("assistant", "?")],
    "wrong_order": [say("assistant", "First"), say("assistant", "Second")],
    "odd_role": [say("user", "Hi"), say("observer", "Watching"), say("user", "Go")],
}
VARIABLES = [{}, {"enable_thinking": True}, {"enable_thinking": False}]
EXTRA = {
    "llama3-style": [
        {"date_string": "1 Jan 2020", "tools_in_user_message": False},
        {"builtin_tools": ["code_interpreter", "search", "get_weather"]},
    ],
    "documents-style": [
        {"documents": [{"title": "on (small) things", "text": "First\n\nline\n  third"}, {"text": "x"}], "enable_thinking": True}
    ],
}


class Frozen(datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def render(source, conversation, tools, prompt, variables):
    try:
        rendered, _ = chat.render_jinja_template(
            conversations=[conversation], tools=tools, chat_template=source, add_generation_prompt=prompt, **variables
        )
        return {"text": rendered[0]}
    except Exception as e:
        return {"error": f"{type(e).__name__}: {e}"}


def renderings(directory):
    cases = []
    for name, special in SPECIAL.items():
        source = (directory / f"{name}.jinja").read_text()
        for conversation, messages in CONVERSATIONS.items():
            # every variable and prompt with a few tool sets, each case once
            combinations = [("none", prompt, v) for prompt in (True, False) for v in VARIABLES]
            combinations = combinations if conversation in ("one", "turns", "think") else combinations[1:4]
            combinations += [("weather", True, {}), ("two", False, VARIABLES[1])]
            combinations += [("empty", True, VARIABLES[2])] if conversation == "turns" else []
            combinations += [("two", True, extra) for extra in EXTRA.get(name, [])]
            for tools, prompt, variables in combinations:
                result = render(source, messages, TOOLS[tools], prompt, {**special, **variables})
                case = {"template": name, "conversation": conversation, "tools": tools, "prompt": prompt}
                cases.append({**case, "variables": variables, **result})
    return {"now": NOW.isoformat(), "special": SPECIAL, "conversations": CONVERSATIONS, "tools": TOOLS, "cases": cases}


def snippets():
    cases = []
    for source in SNIPPETS:
        try:
            cases.append({"source": source, "text": chat._compile_jinja_template(source).render(**CONTEXT)})
        except Exception as e:
            cases.append({"source": source, "error": f"{type(e).__name__}: {e}"})
    return {"now": NOW.isoformat(), "context": CONTEXT, "cases": cases}


def write(path, data):
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n")
    errors = sum("error" in case for case in data["cases"])
    print(f"{path.name}: {len(data['cases'])} cases, {errors} of them errors")


def main():
    directory = Path(sys.argv[1])
    chat.datetime = Frozen
    write(directory / "renderings.json", renderings(directory))
    write(directory / "snippets.json", snippets())


if __name__ == "__main__":
    main()
