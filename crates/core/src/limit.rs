//! Concurrency limits: the keys that a job carries, and which of them a person may limit.

use std::{fmt, str::FromStr};

use super::{
    requirement::{ProductName, RepoName},
    workflow::{Activity, Queue},
};

/// The most that a limit may be set to.
pub const MOST: i32 = 10_000;
/// How many merges into one base branch run at once; it cannot be changed.
pub const MERGES: i32 = 1;
/// The model provider when none is configured.
pub const PROVIDER: &str = "default";

/// What jobs with one key share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// `product:<name>`: the jobs of a product.
    Product(ProductName),
    /// `merge:<owner>/<repo>:<base>`: the merges into one branch, always [`MERGES`].
    Merge(RepoName, String),
    /// `model:<provider>`: the steps that call one model provider.
    Model(String),
}

/// Where a job's run works.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The product.
    pub product: &'a str,
    /// The repository, `owner/name`.
    pub repository: &'a str,
    /// The branch that the change is merged into.
    pub base_branch: &'a str,
}

/// The keys of a job: its base branch's if only one such job may run per base branch, which always comes
/// first; its product's; and its model provider's if it is in the queue for model calls.
#[must_use]
pub fn keys(target: &Target<'_>, activity: Activity, queue: Queue, provider: &str) -> Vec<String> {
    let Target { product, repository, base_branch } = target;
    let mut keys = vec![format!("product:{product}")];
    if activity.spec().one_per_base {
        keys.insert(0, format!("merge:{repository}:{base_branch}"));
    }
    if queue == Queue::Llm {
        keys.push(format!("model:{provider}"));
    }
    keys
}

impl Key {
    /// The limit of this key, if it is fixed.
    #[must_use]
    pub const fn fixed(&self) -> Option<i32> {
        match self {
            Self::Merge(..) => Some(MERGES),
            Self::Product(_) | Self::Model(_) => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product(name) => write!(f, "product:{}", name.as_str()),
            Self::Merge(repository, base) => write!(f, "merge:{repository}:{base}"),
            Self::Model(provider) => write!(f, "model:{provider}"),
        }
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(80).collect();
        let wrong = |what: &str| {
            format!(
                "{shown:?} is not a limit key: {what}; the forms are product:<name>, model:<provider> and \
                 merge:<owner>/<repo>:<base>"
            )
        };
        let (kind, rest) = text.split_once(':').ok_or_else(|| wrong("it has no `:`"))?;
        match kind {
            "product" => rest.parse().map(Self::Product).map_err(|error| wrong(&error.message)),
            "model" => {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
                let fits = (1..=100).contains(&rest.len()) && rest.chars().all(plain);
                fits.then(|| Self::Model(rest.to_owned()))
                    .ok_or_else(|| wrong("a provider is 1 to 100 of a-z, A-Z, 0-9, -, _, . and :"))
            }
            "merge" => {
                let (repository, base) =
                    rest.split_once(':').ok_or_else(|| wrong("it has no base branch"))?;
                let repository =
                    repository.parse().map_err(|error: super::requirement::Invalid| wrong(&error.message))?;
                let fits = (1..=255).contains(&base.len()) && !base.chars().any(char::is_control);
                fits.then(|| Self::Merge(repository, base.to_owned()))
                    .ok_or_else(|| wrong("a base is 1 to 255 bytes without control characters"))
            }
            _ => Err(wrong("its kind is unknown")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target<'_> = Target { product: "wealth", repository: "acme/w", base_branch: "main" };

    fn check(activity: Activity, queue: Queue, expected: &[&str]) {
        assert_eq!(keys(&TARGET, activity, queue, "openai"), expected);
    }

    #[test]
    fn a_job_carries_the_keys_of_its_product_base_branch_and_model() {
        check(Activity::Gate, Queue::Github, &["product:wealth"]);
        check(Activity::Review, Queue::Llm, &["product:wealth", "model:openai"]);
        check(Activity::Merge, Queue::Github, &["merge:acme/w:main", "product:wealth"]);
    }

    #[test]
    fn every_key_of_a_job_parses() {
        let target = Target { base_branch: "release/1:x", ..TARGET };
        for key in keys(&target, Activity::Merge, Queue::Llm, PROVIDER) {
            assert_eq!(key.parse::<Key>().unwrap().to_string(), key);
        }
    }

    #[test]
    fn the_error_of_a_wrong_key_lists_the_forms() {
        for wrong in
            ["", "product", "product:", "product:Wealth", "model:", "model:a b", "merge:acme/w", "job:1"]
        {
            let error = wrong.parse::<Key>().unwrap_err();
            assert!(error.contains("the forms are product:<name>"), "{error}");
        }
        assert_eq!("merge:acme/w:main".parse::<Key>().unwrap().fixed(), Some(1));
        assert_eq!("product:wealth".parse::<Key>().unwrap().fixed(), None);
    }
}
