//! The keys of reviewers that are asked by HTTP.

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use url::Url;

const NAME: &str = "ASPORA_REVIEWER_KEYS";

/// Each key with the origin of its server. An error names the entry and no key.
pub(super) fn keys(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Vec<(String, SecretString)>> {
    let text = get(NAME).unwrap_or_default();
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).enumerate();
    entries.map(|(at, entry)| one(entry).with_context(|| format!("entry {} of {NAME}", at + 1))).collect()
}

fn one(entry: &str) -> anyhow::Result<(String, SecretString)> {
    let expected = "expected a server and its key, such as https://api.greptile.com=KEY";
    let (server, key) = entry.split_once('=').context(expected)?;
    let Ok(url) = server.trim().parse::<Url>() else { bail!("its server is no URL; {expected}") };
    if !matches!(url.scheme(), "https" | "http") || !matches!(url.path(), "" | "/") {
        bail!("its server is not an origin such as https://api.greptile.com; {expected}");
    }
    let key = key.trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("its key is empty, or has spaces or line breaks in it");
    }
    Ok((url.origin().ascii_serialization(), key.into()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn each_key_belongs_to_one_origin_and_no_error_shows_a_key() {
        let read = |text: &str| keys(&|_: &str| Some(text.to_owned()));
        let both = read("https://a.example=k=1, http://b.example:81/=x").unwrap();
        let shown: Vec<_> = both.iter().map(|(at, key)| (at.as_str(), key.expose_secret())).collect();
        assert_eq!(shown, [("https://a.example", "k=1"), ("http://b.example:81", "x")]);
        assert!(read("").unwrap().is_empty());
        for wrong in
            ["hidden", "a.example=hidden", "https://a.example/v1=hidden", "https://a.example=hid den"]
        {
            let error = format!("{:#}", read(wrong).unwrap_err());
            assert!(
                error.contains("entry 1") && !error.contains("hidden") && !error.contains("hid den"),
                "{error}"
            );
        }
    }
}
