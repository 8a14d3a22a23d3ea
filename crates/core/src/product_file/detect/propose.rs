//! What is proposed for one product of a repository that has no product file.

use super::{Detected, Files, detect, folders};
use crate::{
    product_file::{self, ProductFile},
    requirement::ProductName,
};

/// A proposal for one product.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// The product file; `None` if nothing says how the product is tested, and then a note says what to do.
    pub file: Option<ProductFile>,
    /// What was found, a sentence each.
    pub notes: Vec<String>,
}

/// The folder that was asked for has no manifest of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{root}` has no manifest of its own; folders with one: {folders}")]
pub struct NoSuchFolder {
    root: String,
    folders: String,
}

/// Proposes how a product is built: in the folder that was asked for, else in the only one with a manifest or the one
/// that bears the product's name.
///
/// # Errors
/// When the folder that was asked for has no manifest.
pub fn propose(
    files: &dyn Files,
    product: &ProductName,
    wanted: Option<&str>,
) -> Result<Proposed, NoSuchFolder> {
    let all = folders(files);
    let none = |note: String| Proposed { file: None, notes: vec![note] };
    let Some(root) = root(&all, product, wanted)? else {
        let what = "several folders have a manifest; say which is the product's";
        return Ok(none(format!("{what}: {}", all.join(", "))));
    };
    let mut found = detect(files, root).into_iter();
    let Some(Detected { build, mut notes }) = found.next() else {
        let what = "nothing was found that says how the product is tested";
        return Ok(none(format!("{what}: write `{}` (docs/PRODUCT_FILE.md)", product_file::PATH)));
    };
    let others = found.filter_map(|other| other.notes.into_iter().next());
    notes.extend(others.map(|note| format!("not proposed: {note}")));
    let file = match root {
        "" => ProductFile::single(build),
        _ => ProductFile::several([(product.clone(), build)]),
    };
    Ok(Proposed { file: Some(file), notes })
}

fn root<'a>(
    all: &'a [String],
    product: &ProductName,
    wanted: Option<&'a str>,
) -> Result<Option<&'a str>, NoSuchFolder> {
    match wanted {
        Some(root) if all.iter().any(|folder| folder == root) => Ok(Some(root)),
        Some(root) => {
            let folders = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
            Err(NoSuchFolder { root: root.to_owned(), folders })
        }
        None if all.len() <= 1 => Ok(Some(all.first().map_or("", String::as_str))),
        None => {
            let bears_its_name = |folder: &&String| folder.rsplit('/').next() == Some(product.as_str());
            Ok(all.iter().find(bears_its_name).map(String::as_str))
        }
    }
}
