//! The model and its fallback.

use anyhow::{Context as _, bail};

use super::count;
use crate::llm::{self, Task};

/// The model, with its fallback; `None` without a key.
pub(super) fn config(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<llm::Config>> {
    let fallback_name = get("ASPORA_FALLBACK_MODEL");
    for name in ["ASPORA_FALLBACK_BASE_URL", "ASPORA_FALLBACK_API_KEY", "ASPORA_FALLBACK_PRICES"] {
        if fallback_name.is_none() && get(name).is_some() {
            bail!(
                "{name} is set, but ASPORA_FALLBACK_MODEL is not; set it to a model's name, or unset {name}"
            );
        }
    }
    let Some(key) = get("OPENAI_API_KEY") else {
        anyhow::ensure!(
            fallback_name.is_none(),
            "ASPORA_FALLBACK_MODEL is set, but OPENAI_API_KEY is not: there is no model to stand in for"
        );
        return Ok(None);
    };
    let url = get("OPENAI_BASE_URL").unwrap_or_else(|| llm::OPENAI_URL.to_owned());
    let name = get("ASPORA_MODEL").unwrap_or_else(|| "gpt-5".to_owned());
    let mut config = llm::Config::new(&url, key.into(), &name);
    if let Some(review) = get("ASPORA_REVIEW_MODEL") {
        config.review_model = review;
    }
    config.most_output = count(get, "ASPORA_MODEL_OUTPUT_TOKENS")?;
    config.prices = prices(get, "ASPORA_PRICES")?;
    config.check().context("OPENAI_BASE_URL or OPENAI_API_KEY cannot be used")?;
    if let Some(name) = fallback_name {
        config.fallback = Some(Box::new(fallback(get, &config, &name)?));
    }
    Ok(Some(config))
}

/// The model that is asked while `main` is down. A key is only sent to the server that it was given for.
fn fallback(
    get: &impl Fn(&str) -> Option<String>,
    main: &llm::Config,
    name: &str,
) -> anyhow::Result<llm::Config> {
    let url = get("ASPORA_FALLBACK_BASE_URL").unwrap_or_else(|| main.base_url.clone());
    let key = match get("ASPORA_FALLBACK_API_KEY") {
        Some(key) => key.into(),
        None if llm::host(&url) == llm::host(&main.base_url) => main.api_key.clone(),
        None => bail!(
            "ASPORA_FALLBACK_BASE_URL is another server than OPENAI_BASE_URL, and ASPORA_FALLBACK_API_KEY is not set; \
             set it, to any text if that server wants no key"
        ),
    };
    let mut config = llm::Config::new(&url, key, name);
    config.check().context("ASPORA_FALLBACK_BASE_URL or ASPORA_FALLBACK_API_KEY cannot be used")?;
    config.prices = prices(get, "ASPORA_FALLBACK_PRICES")?;
    config.most_output = main.most_output;
    let is_main = [Task::Generate, Task::Review].map(|task| config.provider(task) == main.provider(task));
    if is_main == [true, true] {
        bail!(
            "ASPORA_FALLBACK_MODEL is `{name}`, which is the model itself at the same server; name another"
        );
    }
    Ok(config)
}

fn prices(get: &impl Fn(&str) -> Option<String>, name: &str) -> anyhow::Result<Option<llm::Prices>> {
    let Some(prices) = get(name) else { return Ok(None) };
    let read = |text: &str| text.trim().parse::<u64>().ok();
    let (input, output) = prices.split_once(',').unwrap_or_default();
    let (Some(input), Some(output)) = (read(input), read(output)) else {
        bail!("{name} is `{prices}`; expected micro-dollars per million tokens, such as 1250000,10000000");
    };
    Ok(Some(llm::Prices { input, output }))
}

#[cfg(test)]
mod tests {
    use super::super::Settings;

    #[test]
    fn a_fallback_is_another_model_and_its_key_goes_to_no_other_server() {
        fn with(more: &[(&'static str, &'static str)]) -> anyhow::Result<Settings> {
            let all = [("OPENAI_API_KEY", "sk-canary"), ("ASPORA_FALLBACK_MODEL", "b")];
            let all = [&all, more].concat();
            Settings::read(|name| {
                // What is named later counts.
                let found = all.iter().rev().find(|(variable, _)| *variable == name);
                let found = found.map(|(_, value)| (*value).to_owned()).filter(|value| !value.is_empty());
                found.or_else(|| (name == "ASPORA_DATA").then(|| "/x".to_owned()))
            })
        }
        let check = |more: &[_], expected: &str| {
            let error = format!("{:#}", with(more).unwrap_err());
            assert!(error.contains(expected) && !error.contains("canary"), "{error}");
        };
        let elsewhere = ("ASPORA_FALLBACK_BASE_URL", "https://other.example/v1");
        check(&[("ASPORA_FALLBACK_MODEL", ""), elsewhere], "ASPORA_FALLBACK_BASE_URL is set, but");
        check(&[("OPENAI_API_KEY", "")], "ASPORA_FALLBACK_MODEL is set, but OPENAI_API_KEY is not");
        check(&[elsewhere], "ASPORA_FALLBACK_API_KEY is not set");
        check(
            &[("ASPORA_FALLBACK_BASE_URL", "other"), ("ASPORA_FALLBACK_API_KEY", "k")],
            "ASPORA_FALLBACK_BASE_URL",
        );
        check(&[("ASPORA_FALLBACK_PRICES", "1")], "ASPORA_FALLBACK_PRICES is `1`");
        check(&[("ASPORA_FALLBACK_MODEL", "gpt-5")], "which is the model itself");
        check(&[("OPENAI_BASE_URL", "other")], "OPENAI_BASE_URL");
        let same = with(&[("ASPORA_FALLBACK_PRICES", "1,2")]).unwrap().model.unwrap();
        let fallback = same.fallback.as_ref().unwrap();
        assert_eq!((&fallback.base_url, fallback.prices.unwrap().output), (&same.base_url, 2));
        with(&[elsewhere, ("ASPORA_FALLBACK_API_KEY", "k")]).unwrap();
        with(&[("ASPORA_REVIEW_MODEL", "b")]).unwrap();
    }
}
