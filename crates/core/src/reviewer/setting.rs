//! The setting `reviewers` of a product.

use serde::{Deserialize, Serialize};
use url::Url;

/// The most reviewers of a product.
pub const REVIEWERS_LIMIT: usize = 8;
/// How long a foreign review is awaited where the product does not say, in minutes.
pub const DEFAULT_TIMEOUT_MINUTES: u32 = 20;
/// The longest that a foreign review may be awaited: a day, in minutes.
pub const LONGEST_TIMEOUT_MINUTES: u32 = 24 * 60;
/// The most characters of a name, of a slug and of a check's name.
const NAME_LIMIT: usize = 100;
/// The most characters of a request, and of a URL.
const TEXT_LIMIT: usize = 500;

/// Which reader knows a reviewer's marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Our own agent.
    Builtin,
    /// Greptile.
    Greptile,
    /// CodeRabbit.
    CodeRabbit,
    /// GitHub Copilot.
    Copilot,
    /// Any app that reports a check.
    Check,
    /// A server that answers the findings of a head over HTTP.
    Http,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Builtin, Self::Greptile, Self::CodeRabbit, Self::Copilot, Self::Check, Self::Http];

    /// The name in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Greptile => "greptile",
            Self::CodeRabbit => "coderabbit",
            Self::Copilot => "copilot",
            Self::Check => "check",
            Self::Http => "http",
        }
    }

    /// The slug of its app, the name of its check and what asks it for a review, where they are known.
    ///
    /// Sources: Greptile's check `Greptile Review` of the app `greptile-apps` (vfarcic/dot-agent-deck#292,
    /// ejc3/fcvm#927) and its docs "Trigger code review"; `CodeRabbit` of the app `coderabbitai`, number 347564 in
    /// public rulesets, and its docs "CodeRabbit status check" and "Missing reviews"; Copilot's reviews by
    /// `copilot-pull-request-reviewer` (netresearch/git-workflow-skill#151), which no comment asks for. The number of
    /// Greptile's app was not verified, so that it is bound by its slug, which GitHub gives once.
    const fn known(self) -> Known {
        let (slug, check, ask) = match self {
            Self::Greptile => (Some("greptile-apps"), Some("Greptile Review"), Some("@greptileai review")),
            Self::CodeRabbit => (Some("coderabbitai"), Some("CodeRabbit"), Some("@coderabbitai review")),
            Self::Copilot => (Some("copilot-pull-request-reviewer"), None, None),
            Self::Builtin | Self::Check | Self::Http => (None, None, None),
        };
        Known { slug, check, ask }
    }
}

struct Known {
    slug: Option<&'static str>,
    check: Option<&'static str>,
    ask: Option<&'static str>,
}

/// What follows from a reviewer's findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They hold the merge, and so does a review that does not come.
    Blocking,
    /// They are shown. Only what speaks of a vulnerability holds the merge.
    Advisory,
}

/// One entry of the setting, as it is given and stored; what it lacks has the default of its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// `builtin`, `greptile`, `coderabbit`, `copilot`, `check` or `http`.
    pub kind: String,
    /// Its name in reports; unique in the list. Default: the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The slug of the app that alone counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The name of its check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The comment that asks for a review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<String>,
    /// The base URL of one that is asked by HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `blocking`, the default, or `advisory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How long it is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_minutes: Option<u32>,
    /// Whether the built-in one takes over when it has not come by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<bool>,
}

/// One reviewer, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewer {
    /// Its name in reports.
    pub name: String,
    /// Which reader reads it.
    pub kind: Kind,
    /// Where its review comes from.
    pub maker: Maker,
    /// What follows from its findings.
    pub mode: Mode,
    /// How long it is awaited, in minutes.
    pub timeout_minutes: u32,
    /// Whether the built-in one takes over.
    pub fallback: bool,
}

/// Where a review comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// Our own agent makes it.
    Builtin,
    /// An app puts it on the forge.
    Forge(App),
    /// It is asked for at this base URL.
    Http(Url),
}

impl Maker {
    /// Whether both are the same reviewer, whatever asks it for a review.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Forge(one), Self::Forge(two)) => one.slug == two.slug && one.check == two.check,
            (one, two) => one == two,
        }
    }
}

/// The app whose signs count, and no other's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its slug; it acts as the account `slug[bot]`.
    pub slug: String,
    /// The name of its check; `None`: it reports none that we know.
    pub check: Option<String>,
    /// The comment that asks it for a review; `None`: no comment does.
    pub ask: Option<String>,
}

/// What is wrong with a setting, and where: a JSON pointer below the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Such as `/0/app`.
    pub pointer: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Reviewer {
    /// The built-in one, alone: what a product without the setting has.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            name: Kind::Builtin.as_str().to_owned(),
            kind: Kind::Builtin,
            maker: Maker::Builtin,
            mode: Mode::Blocking,
            timeout_minutes: 0,
            fallback: false,
        }
    }

    /// Whether its findings and its silence hold the merge.
    #[must_use]
    pub fn is_blocking(&self) -> bool {
        self.mode == Mode::Blocking
    }
}

/// The reviewers of several products together, which differ in their names. One that several products have is one reviewer:
/// it holds the merge if it does for one of them, is awaited for the shortest of their times, and the built-in one takes
/// over from it only where all of them have that.
#[must_use]
pub fn together(lists: impl IntoIterator<Item = Vec<Reviewer>>) -> Vec<Reviewer> {
    let mut all: Vec<Reviewer> = Vec::new();
    for reviewer in lists.into_iter().flatten() {
        if let Some(known) =
            all.iter_mut().find(|known| known.kind == reviewer.kind && known.maker.is(&reviewer.maker))
        {
            known.mode = if known.is_blocking() { known.mode } else { reviewer.mode };
            known.timeout_minutes = known.timeout_minutes.min(reviewer.timeout_minutes);
            known.fallback &= reviewer.fallback;
            continue;
        }
        let is_taken = |name: &str| all.iter().any(|known| known.name == name);
        let numbered = (2..).map(|number| format!("{}-{number}", reviewer.name));
        let name = std::iter::once(reviewer.name.clone()).chain(numbered).find(|name| !is_taken(name));
        all.push(Reviewer { name: name.unwrap_or_default(), ..reviewer });
    }
    all
}

/// The reviewers that a setting names; none is the built-in one alone.
///
/// # Errors
/// Everything that is wrong, each with its place.
pub fn check(settings: &[Setting]) -> Result<Vec<Reviewer>, Vec<Wrong>> {
    if settings.is_empty() {
        return Ok(vec![Reviewer::builtin()]);
    }
    let mut wrong = Vec::new();
    if settings.len() > REVIEWERS_LIMIT {
        let message = format!("has {} reviewers; at most {REVIEWERS_LIMIT} are allowed", settings.len());
        wrong.push(Wrong { pointer: String::new(), message });
    }
    let mut reviewers: Vec<Reviewer> = Vec::new();
    for (at, setting) in settings.iter().enumerate() {
        let mut say = |field: &str, message: String| {
            wrong.push(Wrong { pointer: format!("/{at}/{field}"), message });
        };
        let Some(reviewer) = one(setting, &mut say) else { continue };
        if reviewers.iter().any(|known| known.name == reviewer.name) {
            say("name", format!("`{}` is the name of another reviewer; names are unique", reviewer.name));
        }
        reviewers.push(reviewer);
    }
    if wrong.is_empty() && !reviewers.iter().any(Reviewer::is_blocking) {
        let message = "all reviewers are advisory; at least one must be blocking, since a head without a \
                       review that counts is never merged";
        wrong.push(Wrong { pointer: String::new(), message: message.to_owned() });
    }
    if wrong.is_empty() { Ok(reviewers) } else { Err(wrong) }
}

/// One entry, if its kind is known; what else is wrong is said.
fn one(setting: &Setting, say: &mut impl FnMut(&str, String)) -> Option<Reviewer> {
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == setting.kind) else {
        let known = Kind::ALL.map(|kind| format!("`{}`", kind.as_str())).join(", ");
        say("kind", format!("`{}` is no kind of reviewer; known are {known}", setting.kind));
        return None;
    };
    let name = setting.name.clone().unwrap_or_else(|| kind.as_str().to_owned());
    if !is_slug(&name) {
        say("name", format!("must be 1 to {NAME_LIMIT} letters, digits and `-`"));
    }
    let mode = match setting.mode.as_deref() {
        None | Some("blocking") => Mode::Blocking,
        Some("advisory") => Mode::Advisory,
        Some(other) => {
            say("mode", format!("`{other}` is neither `blocking` nor `advisory`"));
            Mode::Blocking
        }
    };
    let timeout_minutes = setting.timeout_minutes.unwrap_or(DEFAULT_TIMEOUT_MINUTES);
    if timeout_minutes > LONGEST_TIMEOUT_MINUTES {
        say("timeout_minutes", format!("must be from 0 to {LONGEST_TIMEOUT_MINUTES} minutes"));
    }
    let fallback = setting.fallback.unwrap_or(false);
    if fallback && kind == Kind::Builtin {
        say("fallback", "the built-in reviewer cannot take over from itself; leave it out".to_owned());
    }
    let maker = maker(setting, kind, say);
    Some(Reviewer { name, kind, maker, mode, timeout_minutes, fallback })
}

fn maker(setting: &Setting, kind: Kind, say: &mut impl FnMut(&str, String)) -> Maker {
    let known = kind.known();
    let is_app = !matches!(kind, Kind::Builtin | Kind::Http);
    let given =
        [("app", &setting.app), ("check", &setting.check), ("ask", &setting.ask), ("url", &setting.url)];
    for (field, value) in given {
        if value.is_some() && (field == "url") != (kind == Kind::Http) | (field != "url" && !is_app) {
            say(field, format!("a reviewer of kind `{}` has no `{field}`; leave it out", kind.as_str()));
        }
    }
    match kind {
        Kind::Builtin => Maker::Builtin,
        Kind::Http => Maker::Http(base_url(setting.url.as_deref().unwrap_or_default(), say)),
        Kind::Greptile | Kind::CodeRabbit | Kind::Copilot | Kind::Check => {
            let text =
                |given: &Option<String>, known: Option<&str>| given.clone().or(known.map(str::to_owned));
            let slug = text(&setting.app, known.slug).unwrap_or_default();
            if !is_slug(&slug) || slug.bytes().all(|byte| byte.is_ascii_digit()) {
                say(
                    "app",
                    "must be the slug of the app that alone counts, such as `greptile-apps`".to_owned(),
                );
            }
            let check = text(&setting.check, known.check);
            if check.as_deref().is_some_and(|name| !fits(name, NAME_LIMIT))
                || (kind == Kind::Check && check.is_none())
            {
                say("check", format!("must be the name of the app's check, at most {NAME_LIMIT} characters"));
            }
            let ask = text(&setting.ask, known.ask);
            if ask.as_deref().is_some_and(|text| !fits(text, TEXT_LIMIT)) {
                say("ask", format!("must be one line of at most {TEXT_LIMIT} characters"));
            }
            Maker::Forge(App { slug, check, ask })
        }
    }
}

/// The base URL; any, where what was given is none.
fn base_url(text: &str, say: &mut impl FnMut(&str, String)) -> Url {
    let wrong = match text.parse::<Url>() {
        Ok(url) if !fits(text, TEXT_LIMIT) => (url, "is longer than 500 characters"),
        Ok(url) if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() => {
            (url, "is neither https nor http")
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            (url, "has a user or a password in it; keys are given to the workers")
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            (url, "has a query or a fragment; only the base of the path is needed")
        }
        Ok(url) => return url,
        Err(_) => {
            (Url::parse("https://reviewer.invalid").unwrap_or_else(|_| unreachable!("a URL")), "is no URL")
        }
    };
    say("url", format!("{}; expected a base such as https://api.greptile.com/v1", wrong.1));
    wrong.0
}

fn is_slug(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=NAME_LIMIT).contains(&text.len()) && text.chars().all(plain)
}

fn fits(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
}
