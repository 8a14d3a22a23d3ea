//! How a product is tested: by the product file at the base, else by the product's own command.

use sha2::{Digest as _, Sha256};

use super::{
    Failure,
    attempt::Attempt,
    consent::Permitted,
    test_tree::{Files, ended, test_tree},
};
use crate::{
    core::{
        change::Change,
        policy::TestRule,
        product_file::{Build, DependencyRule, ProductFile, TestsBy},
        requirement::ProductName,
        sha::Sha,
        tested::{Cause, Tested},
    },
    store::product::{self, Product},
    workspace::{self, Limits, Mirror, Sandbox},
};

/// Of what a test run is, so that what an earlier release recorded of a tree, which knew less, counts for nothing.
const FORM: &str = "2";
/// How often red tests of a change go back to the model before a person is needed, where no product file says.
const RED_ROUNDS: u32 = 2;

/// How a change is tested, and who says whether its tests pass.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) rule: TestRule,
    /// How often red tests of a change go back to the model before a person is needed.
    pub(super) rounds: u32,
    /// The product file, or the products' own commands.
    text: String,
    way: Way,
}

/// Where a change forked from the base, and what it changes.
pub(super) struct Forked {
    pub(super) fork: Sha,
    pub(super) change: Change,
}

/// A product that a change is for, and what the catalog says of its tests.
struct Own {
    name: ProductName,
    command: Vec<String>,
}

#[derive(Debug, Clone)]
enum Way {
    /// The tests of these products, one after the other; with the product file, if there is one.
    Parts(Vec<Part>, Option<ProductFile>),
    /// The product file is refused.
    Refused(String),
}

/// The tests of one product.
#[derive(Debug, Clone)]
struct Part {
    name: ProductName,
    /// Whether the change is for this product, so that it is tested whatever the change touches.
    is_own: bool,
    how: How,
}

#[derive(Debug, Clone, PartialEq)]
enum How {
    /// The product's own command, without a set-up.
    Command(Vec<String>),
    /// As the product file has it.
    Build(Box<Build>),
}

impl How {
    /// The command lines or words, for people.
    fn command(&self) -> &[String] {
        match self {
            Self::Command(words) => words,
            Self::Build(build) => &build.test,
        }
    }
}

impl Plan {
    /// The same for a change of these files: of the products that it is not for, only those are tested that it touches.
    fn for_change(mut self, change: &Change) -> Self {
        if let Way::Parts(parts, Some(file)) = &mut self.way {
            let paths: Vec<&str> = change.files.iter().map(|file| file.path.as_str()).collect();
            let names: Vec<ProductName> = parts.iter().map(|part| part.name.clone()).collect();
            let touched = file.touched(&names, &paths);
            parts.retain(|part| part.is_own || touched.contains(&&part.name));
        }
        self
    }

    fn parts(&self) -> &[Part] {
        match &self.way {
            Way::Parts(parts, _) => parts,
            Way::Refused(_) => &[],
        }
    }

    fn builds(&self) -> impl Iterator<Item = (&str, &Build)> {
        self.parts().iter().filter_map(|part| match &part.how {
            How::Build(build) => Some((part.name.as_str(), &**build)),
            How::Command(_) => None,
        })
    }

    /// The products, by name, whose dependencies are installed after a person's yes alone.
    pub(super) fn asking(&self) -> impl Iterator<Item = (&str, &Build)> {
        self.builds()
            .filter(|(_, build)| build.dependencies == DependencyRule::Ask && !build.setup.is_empty())
    }

    /// The same without what the product file asks besides passing tests.
    pub(super) fn tests_alone(&self) -> Self {
        let mut plan = self.clone();
        let Way::Parts(parts, Some(_)) = &mut plan.way else { return plan };
        for part in parts {
            if let How::Build(build) = &mut part.how {
                build.lint.clear();
                build.coverage = None;
            }
        }
        plan.text.push_str("\0tests");
        plan
    }

    /// Whether tests see the history.
    fn shows_history(&self) -> bool {
        self.builds().any(|(_, build)| build.history)
    }

    /// Of everything that decides, besides its tree, what a commit comes to. Two commits of one tree differ only where tests
    /// see the history.
    pub(super) fn digest(&self, commit: &Sha) -> String {
        let mut digest = Sha256::new_with_prefix(format!("{FORM}\0{}", self.text));
        if self.builds().next().is_some() || self.parts().len() > 1 {
            for part in self.parts() {
                digest.update(format!("\0{}", part.name));
            }
        }
        if self.shows_history() {
            digest.update(format!("\0{commit}"));
        }
        hex::encode(digest.finalize())
    }

    /// The command lines or words of the products that the change is for, for people.
    pub(super) fn command(&self) -> Vec<String> {
        self.parts().iter().filter(|part| part.is_own).flat_map(|part| part.how.command()).cloned().collect()
    }
}

impl Attempt<'_> {
    /// How the change is tested: the only place that knows. The product file is that of the base as it was last fetched:
    /// what a change says of its own tests counts for nothing.
    pub(super) async fn test_plan(&self, mirror: &Mirror) -> Result<Plan, Failure> {
        let text = mirror.product_file(&self.base(mirror).await?).await?;
        let (own, setting) = self.tests_of_products().await?;
        let commands = own.iter().map(|own| own.command.join("\0")).collect::<Vec<_>>().join("\0");
        let (way, text) = match text {
            None => (Way::Parts(parts(None, own), None), commands),
            Some(text) => match ProductFile::parse(&text) {
                Err(error) => {
                    (Way::Refused(format!("the product file at the base is refused: {error}")), text)
                }
                Ok(file) => {
                    let parts = parts(Some(&file), own);
                    let is_by_command = |part: &Part| matches!(part.how, How::Command(_));
                    let text =
                        if parts.iter().any(is_by_command) { format!("{text}\0{commands}") } else { text };
                    (Way::Parts(parts, Some(file)), text)
                }
            },
        };
        let setting = setting.or_else(|| way.setting().map(str::to_owned));
        let rule = match self.brief.theirs() {
            Some(theirs) if !theirs.by.wanted.tests => TestRule::Forge,
            Some(_) => TestRule::Ours,
            None => TestRule::of(setting.as_deref(), way.says_how()),
        };
        Ok(Plan { rule, rounds: way.rounds(), text, way })
    }

    /// The products that the change is for, with what the catalog says of their tests; and who says whether tests of ours
    /// pass, if it says so.
    async fn tests_of_products(&self) -> Result<(Vec<Own>, Option<String>), Failure> {
        let own = |name: &str, command: Vec<String>| {
            name.parse().map(|name| Own { name, command }).map_err(Failure::unusable)
        };
        if let Some(theirs) = self.brief.theirs() {
            // The command of a product that has no tests run here on what others open is none of theirs.
            let command = |it: &Product| if it.tests_theirs { it.test_command.clone() } else { Vec::new() };
            let all: Result<_, _> = theirs.by.products.iter().map(|it| own(&it.name, command(it))).collect();
            return Ok((all?, None));
        }
        let name = &self.stored.spec.product;
        let product = product::get(&self.factory.pool, name).await?;
        let (command, setting) = product.map(|it| (it.test_command, it.tests)).unwrap_or_default();
        Ok((vec![own(name, command)?], setting))
    }

    /// How a change is tested; with where it forked from the base, and what it changes since then.
    pub(super) async fn plan_of(
        &self,
        mirror: &Mirror,
        base: &Sha,
        head: &Sha,
    ) -> Result<(Plan, Option<Forked>), Failure> {
        let plan = self.test_plan(mirror).await?;
        let Some(fork) = mirror.merge_base(base, head).await? else { return Ok((plan, None)) };
        let change = mirror.change(&fork, head).await?;
        Ok((plan.for_change(&change), Some(Forked { fork, change })))
    }

    /// Runs the tests of a commit, in the sandbox or not at all; where they pass, what else the product file asks.
    pub(super) async fn run_plan(
        &self,
        mirror: &Mirror,
        permitted: &Permitted,
        commit: &Sha,
    ) -> Result<Tested, Failure> {
        let plan = permitted.plan();
        let command = plan.command();
        if let Way::Refused(why) = &plan.way {
            return Ok(Tested::not_run(&command, Cause::Setup, why));
        }
        if command.is_empty() {
            return Ok(Tested::not_run(&command, Cause::Command, "the product has no test command"));
        }
        let sandbox = match &self.factory.sandbox {
            Ok(sandbox) => sandbox,
            Err(unavailable) => {
                return Ok(Tested::not_run(&command, Cause::Sandbox, unavailable.to_string()));
            }
        };
        let ran = run_parts(mirror, sandbox, plan, commit).await;
        match ran {
            Ok(tested) => Ok(tested),
            Err(workspace::Error::Unavailable(unavailable)) => {
                Ok(Tested::not_run(&command, Cause::Sandbox, unavailable.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The tests of the products that a change is for, and of the others that the product file knows and that are ours to test.
/// Of several products, one without a test command takes no part.
fn parts(file: Option<&ProductFile>, own: Vec<Own>) -> Vec<Part> {
    let others = file.iter().flat_map(|file| file.builds()).filter_map(|(name, build)| Some((name?, build)));
    let others = others
        .filter(|(name, build)| build.tests == TestsBy::Ours && own.iter().all(|own| own.name != **name));
    let other = |(name, build): (&ProductName, &Build)| Part {
        name: name.clone(),
        is_own: false,
        how: How::Build(Box::new(build.clone())),
    };
    let others: Vec<Part> = others.map(other).collect();
    let mut parts: Vec<Part> = Vec::new();
    for Own { name, command } in own {
        let build = file.and_then(|file| file.of(&name)).cloned();
        let how = build.map_or(How::Command(command), |build| How::Build(Box::new(build)));
        // A product file without names is of all of them.
        if !parts.iter().any(|part| part.how == how) {
            parts.push(Part { name, is_own: true, how });
        }
    }
    if parts.iter().any(|part| !part.how.command().is_empty()) {
        parts.retain(|part| !part.how.command().is_empty());
    }
    parts.extend(others);
    parts
}

impl Way {
    /// Whether it says how the product is tested. A file that is refused was to say it.
    fn says_how(&self) -> bool {
        match self {
            Self::Parts(parts, _) => parts.iter().any(|part| match &part.how {
                How::Command(words) => !words.is_empty(),
                How::Build(_) => part.is_own,
            }),
            Self::Refused(_) => true,
        }
    }

    /// The build of the first product that the change is for, if the product file has one.
    fn build(&self) -> Option<&Build> {
        match self {
            Self::Parts(parts, _) => match &parts.first().filter(|part| part.is_own)?.how {
                How::Build(build) => Some(build),
                How::Command(_) => None,
            },
            Self::Refused(_) => None,
        }
    }

    fn setting(&self) -> Option<&'static str> {
        self.build().filter(|build| build.tests == TestsBy::Forge).map(|build| build.tests.as_str())
    }

    fn rounds(&self) -> u32 {
        self.build().map_or(RED_ROUNDS, |build| build.rounds)
    }
}

async fn run_parts(
    mirror: &Mirror,
    sandbox: &Sandbox,
    plan: &Plan,
    commit: &Sha,
) -> Result<Tested, workspace::Error> {
    let worktree = mirror.worktree(commit).await?;
    let paths = mirror.paths(commit).await?;
    let git_folder = match plan.shows_history() {
        true => {
            mirror.fetch_tags().await?;
            Some(worktree.git_folder().await?)
        }
        false => None,
    };
    let files = Files { tree: worktree.path(), paths: &paths, git_folder: git_folder.as_ref() };
    let mut came_to = Vec::new();
    for part in plan.parts() {
        let tested = match &part.how {
            How::Command(words) => {
                let argv: Vec<&str> = words.iter().map(String::as_str).collect();
                let run = sandbox.run(worktree.path(), &argv, Limits::default()).await?;
                Tested::read(words, ended(&run))
            }
            How::Build(build) => test_tree(sandbox, files, build).await?,
        };
        came_to.push((part.name.to_string(), tested));
    }
    let none = || Tested::not_run(&[], Cause::Command, "the product file has no product");
    Ok(Tested::together(came_to).unwrap_or_else(none))
}
