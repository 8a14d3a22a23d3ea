//! Cases after public reports: the slip is the reported one, the files are ours.

use super::{
    Case, Expected,
    repo::{pair, repo, with},
};

const EDIT: &str =
    "=== edit: a.py\n<<<<<<< SEARCH\n    x = 1\n=======\n    x = 3\n>>>>>>> REPLACE\n=== end: a.py\n";

fn edited() -> Expected {
    Expected::Files(with(&[("a.py", Some(&repo()["a.py"].replace("x = 1", "x = 3")))]))
}

fn written(path: &str, text: &str) -> Expected {
    Expected::Files(with(&[(path, Some(text))]))
}

fn refused(says: &'static str) -> Expected {
    Expected::Refused(says)
}

/// All cases after reports.
pub(crate) fn cases() -> Vec<Case> {
    let all =
        reasoning().into_iter().chain(markers()).chain(fences()).chain(paths()).chain(diffs()).chain(cuts());
    all.map(|(source, text, expected)| Case { name: source.to_owned(), text, expected }).collect()
}

type Reported = (&'static str, String, Expected);

fn reasoning() -> Vec<Reported> {
    let vllm = "The user wants x to be 3.\nI should keep the rest.\n</think>\n\n";
    vec![
        // The opening tag is part of the prompt, so only the closing one is there.
        ("https://github.com/vllm-project/vllm/issues/13125", format!("{vllm}{EDIT}"), edited()),
        (
            "https://github.com/vllm-project/vllm/issues/31045",
            format!("Okay, the user asked.{vllm}{EDIT}"),
            edited(),
        ),
        (
            "https://github.com/deepseek-ai/DeepSeek-R1/issues/352",
            format!("嗯，改 x。\n</think>\n{EDIT}"),
            edited(),
        ),
        ("https://github.com/open-webui/open-webui/issues/9808", format!("\n\n</think>\n\n{EDIT}"), edited()),
        ("https://github.com/ollama/ollama/issues/10921", format!("hm\n</think>{EDIT}"), edited()),
        (
            "https://github.com/hiyouga/LlamaFactory/issues/8219",
            format!("x\n</think>\n\n```\n{EDIT}```"),
            edited(),
        ),
        // Tags though thinking is switched off, more than once.
        (
            "https://github.com/ggml-org/llama.cpp/issues/13189",
            format!("<think>\n\n</think>\n\n{EDIT}"),
            edited(),
        ),
        (
            "https://github.com/simonw/llm/issues/1211",
            format!("<think>\n\n</think>\n\n<think>\n</think>\n\n{EDIT}"),
            edited(),
        ),
        (
            "https://github.com/ggml-org/llama.cpp/pull/22507",
            format!("<think>\n\n\n</think>\n\n{EDIT}"),
            edited(),
        ),
        (
            "https://github.com/OpenHands/OpenHands/issues/8218",
            format!("<think>\n<thought>x</thought>\n</think>\n{EDIT}"),
            edited(),
        ),
        (
            "https://github.com/ggml-org/llama.cpp/issues/12275",
            format!("<think>\nhm\n</think>\n{EDIT}"),
            edited(),
        ),
        // A draft in the reasoning that is opened again after it.
        (
            "https://github.com/tonyd2wild/DeepSeek-v4-Flash-Vision-Exp-DSpark-1M-NVFP4-KV-2x-DGX-Spark/issues/16",
            "A draft:\n=== file: new.py\nx\n</think>\n=== file: new.py\ny\n=== end: new.py\n".to_owned(),
            written("new.py", "y\n"),
        ),
        // The whole chain of thought without any tag is prose.
        (
            "https://github.com/raullenchai/Rapid-MLX/issues/1570",
            format!("Okay, so I need to figure out x.\n\n{EDIT}"),
            edited(),
        ),
        // No closing tag: nobody can say where the answer begins.
        (
            "https://github.com/ggml-org/llama.cpp/issues/21118",
            format!("<think>\nI edit it.\n{EDIT}"),
            refused("is not closed"),
        ),
        (
            "https://github.com/kekzl/imp/pull/768",
            format!(
                "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>{EDIT}"
            ),
            edited(),
        ),
        (
            "https://github.com/scouzi1966/maclocal-api/issues/121",
            "<|channel|>analysis<|message|>The user asks".to_owned(),
            refused("is not closed"),
        ),
        (
            "https://github.com/odysseus-dev/odysseus/issues/4522",
            format!(
                "<|channel|>commentary<|message|>I edit it.<|end|><|start|>assistant<|channel|>final<|message|>{EDIT}<|return|>"
            ),
            edited(),
        ),
    ]
}

fn markers() -> Vec<Reported> {
    let with_marks = |search: &str, divider: &str, replace: &str| {
        let text = EDIT.replace("<<<<<<< SEARCH", search).replace("=======", divider);
        text.replace(">>>>>>> REPLACE", replace)
    };
    let rst = "=== edit: docs/API.md\n<<<<<<< SEARCH\nErrors\n=======\n\nNone.\n=======\nErrors\n=======\n\n404\n>>>>>>> REPLACE\n=== end: docs/API.md\n";
    let heading = "=== edit: docs/API.md\n<<<<<<< SEARCH\n## Errors\n\nNone.\n=======\nErrors of the interface\n=======================\n>>>>>>> REPLACE\n=== end: docs/API.md\n";
    let headed = repo()["docs/API.md"]
        .replace("## Errors\n\nNone.", "Errors of the interface\n=======================");
    vec![
        ("https://github.com/Aider-AI/aider/pull/1817", with_marks("<<<<< SEARCH", "=====", ">>>>> REPLACE"), edited()),
        ("https://github.com/cline/cline/pull/4427", with_marks("------- SEARCH>", "=======", "+++++++ REPLACE>"), edited()),
        ("https://github.com/cline/cline/issues/3771", with_marks("<<<<<<< SEARCH>", "=======", ">>>>>>> REPLACE"), edited()),
        ("https://github.com/cline/cline/pull/4264", with_marks("<<<<<< SEARCH", "=======", ">>>>>> REPLACE"), edited()),
        ("https://github.com/cline/cline/issues/4216", with_marks("------- SEARCH", "=======", ">>>>>>> REPLACE"), edited()),
        ("https://github.com/cardstack/boxel/pull/5770", with_marks("<<<<<<< SEARCH", "========", ">>>>>>> REPLACE"), edited()),
        // A second divider: either half could be meant.
        (
            "https://github.com/ondysss/codepilot1c-edt/pull/73",
            EDIT.replace("    x = 3\n", "    x = 3\n=======\n    y = 1\n"),
            refused("two `=======`"),
        ),
        ("https://github.com/Aider-AI/aider/pull/4968", rst.to_owned(), refused("two `=======`")),
        // A longer rule of `=` is content where the divider is exact.
        ("https://github.com/Aider-AI/aider/issues/1803", heading.to_owned(), written("docs/API.md", &headed)),
        (
            "https://github.com/RooCodeInc/Roo-Code/issues/1408",
            "=== edit: a.py\n<<<<<<< SEARCH\n<<<<<<< Updated upstream\naaa\n=======\nbbb\n>>>>>>> Stashed changes\n=======\nccc\n>>>>>>> REPLACE\n=== end: a.py\n".to_owned(),
            refused("two `=======`"),
        ),
        // A pair that changes nothing beside one that does.
        (
            "https://github.com/quantified-uncertainty/squiggle/pull/4144",
            EDIT.replace("=== end: a.py\n", &(pair("    x = 2\n", "    x = 2\n") + "=== end: a.py\n")),
            edited(),
        ),
        // Part of a line is not a line.
        (
            "https://github.com/Aider-AI/aider/issues/1294",
            EDIT.replace("    x = 1\n", "x =\n"),
            refused("is not in the file"),
        ),
        // Pairs out of order.
        (
            "https://github.com/cline/cline/issues/4067",
            "=== edit: a.py\n".to_owned()
                + &pair("    x = 2\n", "    x = 2\n")
                + &pair("    x = 1\n", "    x = 3\n")
                + "=== end: a.py\n",
            edited(),
        ),
        // Another number of blank lines is another text.
        (
            "https://github.com/cline/cline/issues/5069",
            "=== edit: a.py\n".to_owned() + &pair("import os\n\ndef a():\n", "def a():\n") + "=== end: a.py\n",
            refused("is not in the file"),
        ),
        (
            "https://github.com/RooCodeInc/Roo-Code/issues/1606",
            EDIT.replace("    x = 1\n", "5 |     x = 1\n").replace("    x = 3\n", "5 |     x = 3\n"),
            edited(),
        ),
    ]
}

fn fences() -> Vec<Reported> {
    let loose = "a.py\n```python\n<<<<<<< SEARCH\n    x = 1\n=======\n    x = 3\n>>>>>>> REPLACE\n```\n";
    let readme = "# LongMem\n\n```\nls\n```\n\nEnd.\n";
    let wrapped = |inner: &str| format!("=== file: README.md\n```markdown\n{inner}```\n=== end: README.md\n");
    vec![
        ("https://github.com/Aider-AI/aider/issues/2087", loose.to_owned(), edited()),
        ("https://github.com/Aider-AI/aider/pull/3828", format!("```\n{}```", loose.replace("```python\n", "").trim_end_matches("```\n")), edited()),
        ("https://github.com/Aider-AI/aider/issues/4709", format!("````\n{EDIT}````\n"), edited()),
        (
            "https://github.com/Aider-AI/aider/issues/3955",
            "templates/ok.html\n```html\n<<<<<<< SEARCH\n=======\n<p>OK</p>\n>>>>>>> REPLACE\n```\n".to_owned(),
            written("templates/ok.html", "<p>OK</p>\n"),
        ),
        (
            "https://github.com/Aider-AI/aider/issues/2879",
            "I'll create it:\n\ninstall.php\n```php\n<<<<<<< SEARCH\n=======\n<?php\necho 1;\n>>>>>>> REPLACE\n```\n".to_owned(),
            written("install.php", "<?php\necho 1;\n"),
        ),
        // A document with fences of its own stays as it is.
        (
            "https://github.com/Aider-AI/aider/issues/22",
            format!("=== file: README.md\n{readme}=== end: README.md\n"),
            written("README.md", readme),
        ),
        (
            "https://github.com/Aider-AI/aider/issues/4339",
            "=== edit: docs/API.md\n".to_owned()
                + &pair("```sh\ncurl x\n```\n", "```sh\ncurl y\n```\n")
                + "=== end: docs/API.md\n",
            written("docs/API.md", &repo()["docs/API.md"].replace("curl x", "curl y")),
        ),
        // A document that is wrapped as Markdown.
        ("https://github.com/lifemate-ai/familiar-ai/pull/61", wrapped("# Titre\n\nTexte.\n"), written("README.md", "# Titre\n\nTexte.\n")),
        (
            "https://github.com/Aider-AI/aider/issues/4517",
            wrapped("# Plan\n\n```sh\nls\n```\n\nEnd.\n"),
            written("README.md", "# Plan\n\n```sh\nls\n```\n\nEnd.\n"),
        ),
        // A document that begins with a sample and ends with text, or with another sample.
        (
            "https://github.com/armbian/armbian.github.io/pull/359",
            "=== file: README.md\n```sh\nls\n```\n\nText.\n=== end: README.md\n".to_owned(),
            written("README.md", "```sh\nls\n```\n\nText.\n"),
        ),
        (
            "https://github.com/NousResearch/hermes-agent/pull/73315",
            "=== file: README.md\n```sh\nls\n```\n\nand\n\n```py\n__name__\n```\n=== end: README.md\n".to_owned(),
            written("README.md", "```sh\nls\n```\n\nand\n\n```py\n__name__\n```\n"),
        ),
    ]
}

fn paths() -> Vec<Reported> {
    vec![
        (
            "https://github.com/Aider-AI/aider/issues/918",
            EDIT.replace("edit: a.py", "edit: **a.py**"),
            edited(),
        ),
        ("https://github.com/Aider-AI/aider/issues/1151", EDIT.replace("a.py", "`a.py`"), edited()),
        (
            "https://github.com/Aider-AI/aider/issues/195",
            "=== file: src/pages/[slug].tsx\nx\n=== end: src/pages/[slug].tsx\n".to_owned(),
            written("src/pages/[slug].tsx", "x\n"),
        ),
    ]
}

fn diffs() -> Vec<Reported> {
    let udiff = "```diff\n--- a.py\n+++ a.py\n@@ ... @@\n-    x = 1\n+    x = 3\n```\n";
    let codex =
        "*** Begin Patch\n*** Update File: a.py\n@@ def a():\n-    x = 1\n+    x = 3\n*** End Patch\n";
    vec![
        ("https://github.com/XAI-liacs/LLaMEA/pull/53", udiff.to_owned(), edited()),
        // The paths of the two sides differ, so nobody knows the file.
        (
            "https://github.com/Aider-AI/aider/issues/4055",
            udiff.replace("--- a.py", "--- a.py-v1").replace("+++ a.py", "+++ a.py-v2"),
            refused("a rename is said"),
        ),
        // A line without a sign must never be dropped.
        (
            "https://github.com/use-agent-os/agent-os/pull/2297",
            codex.replace("*** End", "malformed_line_no_prefix\n*** End"),
            refused("begins with a space"),
        ),
        ("https://github.com/gptme/gptme/issues/527", codex.to_owned(), edited()),
        ("https://github.com/boozedog/pi-codemode/issues/28", format!("```diff\n{codex}```\n"), edited()),
        // Short headers are headers too.
        (
            "https://github.com/boozedog/pi-codemode/issues/58",
            udiff.replace("@@ ... @@", "@@ -5 +5 @@"),
            edited(),
        ),
        (
            "https://github.com/xyOz-dev/Saturn/pull/37",
            udiff.replace("@@ ... @@", "@@ -5,1 +5,1 @@  "),
            edited(),
        ),
        // Wrong counts in the header.
        (
            "https://github.com/XAI-liacs/LLaMEA/issues/58",
            udiff.replace("@@ ... @@", "@@ -40,9 +41,7 @@"),
            edited(),
        ),
        // One hunk fits and the other one does not: nothing is applied.
        (
            "https://github.com/Aider-AI/aider/pull/5577",
            udiff.replace("x = 3\n", "x = 3\n@@ ... @@\n-    y = 1\n+    y = 2\n"),
            refused("hunk 2 are not in the file"),
        ),
        (
            "https://github.com/openai/codex/issues/2578",
            "*** Begin Patch\n*** Add File: new.py\n+y = 1\n*** Delete File: old.py\n*** End Patch\n"
                .to_owned(),
            Expected::Files(with(&[("new.py", Some("y = 1\n")), ("old.py", None)])),
        ),
        (
            "https://github.com/openai/codex/pull/718",
            codex.replace("@@ def", "*** Move to: c.py\n@@ def"),
            refused("a rename is said"),
        ),
    ]
}

fn cuts() -> Vec<Reported> {
    vec![
        // Cut at the limit of tokens, though the server says that the model stopped.
        (
            "https://github.com/UKGovernmentBEIS/inspect_ai/pull/5189",
            "=== file: new.py\ndef a():\n    return".to_owned(),
            refused("is not closed"),
        ),
        (
            "https://github.com/can1357/oh-my-pi/pull/1786",
            "=== delete: old.py\n=== file: new.py\nx = 1\n".to_owned(),
            refused("is not closed"),
        ),
        (
            "https://github.com/cline/cline/issues/4011",
            EDIT.replace(">>>>>>> REPLACE\n=== end: a.py\n", ""),
            refused("is not closed"),
        ),
    ]
}
