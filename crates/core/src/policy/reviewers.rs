//! `products.NAME.reviewers`: who reviews a product's pull requests, where its people say so in the policy.

use super::{Error, json::At};
use crate::reviewer::{self, LONGEST_TIMEOUT_MINUTES, Setting};

/// Reads the list. A server that is asked by HTTP is named by the product's own setting alone: who may change a
/// repository must not choose where the factory's requests, and its key, go.
pub(super) fn read(list: &At<'_>) -> Result<Vec<Setting>, Error> {
    let items = list.items()?;
    if items.is_empty() {
        return Err(list.refuse("names no reviewer; leave it out for those of the product"));
    }
    let settings: Vec<Setting> = items.iter().map(one).collect::<Result<_, _>>()?;
    match reviewer::check(&settings) {
        Ok(_) => Ok(settings),
        Err(wrong) => {
            let first = wrong.into_iter().next();
            let (pointer, message) = first.map(|it| (it.pointer, it.message)).unwrap_or_default();
            Err(Error::new(format!("{}{pointer}", list.pointer()), message))
        }
    }
}

fn one(item: &At<'_>) -> Result<Setting, Error> {
    let mut setting = Setting::default();
    for (key, at) in item.members()? {
        let text = || at.text().map(|text| Some(text.to_owned()));
        match key {
            "kind" => setting.kind = at.text()?.to_owned(),
            "name" => setting.name = text()?,
            "app" => setting.app = text()?,
            "check" => setting.check = text()?,
            "ask" => setting.ask = text()?,
            "mode" => setting.mode = text()?,
            "timeout_minutes" => setting.timeout_minutes = Some(at.number(LONGEST_TIMEOUT_MINUTES)?),
            "fallback" => setting.fallback = Some(at.truth()?),
            "url" => return Err(at.refuse("may stand in the product's own setting only: it names a server")),
            _ => return Err(at.refuse("is not a key of a reviewer")),
        }
    }
    match setting.kind.as_str() {
        "" => Err(item.refuse("has no `kind`")),
        "http" => Err(item.refuse("names a server, which the product's own setting may do only")),
        _ => Ok(setting),
    }
}
