//! Limits on how many jobs are held at once: the keys that a job carries, and those that a person may set.

use std::{fmt, str::FromStr};

use super::{
    requirement::{ProductName, RepoName},
    workflow::{Activity, Queue},
};

/// The most that a limit may be set to.
pub const MOST: i32 = 10_000;
/// How many merges into one base branch are held at once; nothing changes that.
pub const MERGES: i32 = 1;
/// The model provider where no other is named.
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

/// The keys of a job: a merge's its base branch's, which always comes first; its product's; and a model step's
/// its provider's.
#[must_use]
pub fn keys(
    product: &str,
    repository: &str,
    base_branch: &str,
    activity: Activity,
    queue: Queue,
    provider: &str,
) -> Vec<String> {
    let mut keys = vec![format!("product:{product}")];
    if activity == Activity::Merge {
        keys.insert(0, format!("merge:{repository}:{base_branch}"));
    }
    if queue == Queue::Llm {
        keys.push(format!("model:{provider}"));
    }
    keys
}

impl Key {
    /// The limit that nobody can change, if this key has one.
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
                "{shown:?} is no key of a limit: {what}; known are product:<name>, model:<provider> and \
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
                let (repository, base) = rest.split_once(':').ok_or_else(|| wrong("the base is missing"))?;
                let repository =
                    repository.parse().map_err(|error: super::requirement::Invalid| wrong(&error.message))?;
                let fits = (1..=255).contains(&base.len()) && !base.chars().any(char::is_control);
                fits.then(|| Self::Merge(repository, base.to_owned()))
                    .ok_or_else(|| wrong("a base is 1 to 255 bytes without control characters"))
            }
            _ => Err(wrong("it begins with none of them")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(activity: Activity, queue: Queue, expected: &[&str]) {
        assert_eq!(keys("wealth", "acme/w", "main", activity, queue, "openai"), expected);
    }

    #[test]
    fn a_job_carries_its_product_and_what_it_shares_with_others() {
        check(Activity::Gate, Queue::Github, &["product:wealth"]);
        check(Activity::Review, Queue::Llm, &["product:wealth", "model:openai"]);
        check(Activity::Merge, Queue::Github, &["merge:acme/w:main", "product:wealth"]);
    }

    #[test]
    fn what_a_job_carries_is_a_key_that_reads_back() {
        for key in keys("wealth", "acme/w", "release/1:x", Activity::Merge, Queue::Llm, PROVIDER) {
            assert_eq!(key.parse::<Key>().unwrap().to_string(), key);
        }
    }

    #[test]
    fn a_wrong_key_is_told_with_the_forms_that_are_known() {
        for wrong in
            ["", "product", "product:", "product:Wealth", "model:", "model:a b", "merge:acme/w", "job:1"]
        {
            let told = wrong.parse::<Key>().unwrap_err();
            assert!(told.contains("known are product:<name>"), "{told}");
        }
        assert_eq!("merge:acme/w:main".parse::<Key>().unwrap().fixed(), Some(1));
        assert_eq!("product:wealth".parse::<Key>().unwrap().fixed(), None);
    }
}
