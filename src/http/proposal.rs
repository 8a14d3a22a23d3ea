//! What a product's repository lacks to be built and judged here, proposed by a pull request of its own.

use std::{collections::BTreeMap, time::Duration};

use chrono::{SubsecRound as _, Utc};

use super::{
    AppState,
    middleware::{error::Error, problem::Kind},
    policy::Place,
};
use crate::{
    api::Proposal,
    core::{
        path::RepoPath,
        policy::{POLICY_PATH, PullState, starter},
        product_file::{
            self, ProductFile,
            detect::{Fetched, propose, wanted},
        },
        sha::Sha,
    },
    github::{self, Forge, NewPull},
    workspace::{self, FileEdit, Mirror, NewCommit, Push},
};

/// How long the forge is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a repository lacks, and what was found in it.
pub(crate) async fn look(app: &AppState, place: &Place, root: Option<&str>) -> Result<Proposal, Error> {
    let unreadable = |error| place.unreadable(&error);
    let mirror = place.mirror(app)?;
    let base = place.newest(&mirror).await?;
    let tree = fetch(&mirror, &base).await.map_err(unreadable)?;
    let mut proposal = Proposal { base: base.to_string(), ..Proposal::default() };
    match mirror.product_file(&base).await.map_err(unreadable)? {
        Some(text) => proposal.notes.push(state_of(&text)),
        None => propose_build(&tree, place, root, &mut proposal)?,
    }
    if mirror.policy(&base).await.map_err(unreadable)?.is_some() {
        proposal.notes.push(format!("`{POLICY_PATH}` is there already"));
    } else {
        let reported = reported(app, place, &base).await;
        proposal.policy = Some(starter(&place.name, &tree.paths, &reported));
    }
    Ok(proposal)
}

fn state_of(text: &str) -> String {
    match ProductFile::parse(text) {
        Ok(_) => format!("`{}` is there already", product_file::PATH),
        Err(error) => format!("the product file is refused: {error}"),
    }
}

fn propose_build(
    tree: &Fetched,
    place: &Place,
    wanted: Option<&str>,
    proposal: &mut Proposal,
) -> Result<(), Error> {
    let proposed =
        propose(tree, &place.name, wanted).map_err(|error| Error::field("/root", error.to_string()))?;
    proposal.notes.extend(proposed.notes);
    proposal.product_file = proposed.file.map(|file| file.to_string());
    Ok(())
}

/// The names of the checks that were reported on a commit; none if the forge does not say.
async fn reported(app: &AppState, place: &Place, base: &Sha) -> Vec<String> {
    let Some(forge) = &app.settings.forge else { return Vec::new() };
    let asked = tokio::time::timeout(PATIENCE, forge.check_runs(place.repository(), base)).await;
    let runs = asked.ok().and_then(Result::ok).unwrap_or_default();
    let mut names: Vec<String> = runs.into_iter().map(|run| run.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Opens the pull request that adds what is proposed, or finds the one that was opened before.
pub(crate) async fn open(app: &AppState, place: &Place, proposal: &mut Proposal) -> Result<(), Error> {
    let texts =
        [(product_file::PATH, proposal.product_file.as_ref()), (POLICY_PATH, proposal.policy.as_ref())];
    let files: Vec<(&str, &String)> =
        texts.into_iter().filter_map(|(path, text)| text.map(|text| (path, text))).collect();
    if files.is_empty() {
        return Ok(());
    }
    let no_forge = || Error::new(Kind::Unavailable, "this server is not connected to a forge");
    let forge = app.settings.forge.as_ref().ok_or_else(no_forge)?;
    let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    let pull = NewPull {
        title: format!("chore: Set up {} for Aspora", place.name),
        body: body(&paths, &proposal.notes),
        head: format!("aspora/set-up-{}", place.name),
        base: place.product.base_branch.clone(),
    };
    let commit = NewCommit {
        parent: proposal.base.parse().map_err(|_| Error::internal())?,
        files: files.iter().map(|(path, text)| edit(path, text)).collect::<Result<_, _>>()?,
        message: format!("{}\n", pull.title),
        at: Utc::now().trunc_subsecs(0),
    };
    let mirror = place.mirror(app)?;
    let unreadable = |error: workspace::Error| place.unreadable(&error);
    let sha = mirror.commit(&commit).await.map_err(unreadable)?;
    let pushed = mirror.push(&pull.head, &sha, None).await.map_err(unreadable)?;
    proposal.pull_url = Some(pull_of(forge, place, &pull, &pushed).await?);
    Ok(())
}

/// The address of the pull request of this branch: a new one, or the open one that an earlier call left.
async fn pull_of(forge: &Forge, place: &Place, pull: &NewPull, pushed: &Push) -> Result<String, Error> {
    let refused = |error: github::Error| {
        Error::new(Kind::Unavailable, format!("the forge did not open the pull request: {error}"))
    };
    let repository = place.repository();
    let earlier = forge.find_pull(repository, &pull.head).await.map_err(refused)?;
    if let Some(earlier) = earlier.filter(|pull| pull.state == PullState::Open) {
        return Ok(earlier.url);
    }
    if let Push::Moved { .. } = pushed {
        let what = format!("the branch `{}` is there already, without an open pull request", pull.head);
        return Err(Error::new(Kind::NotAllowed, format!("{what}; delete it and send this again")));
    }
    Ok(forge.open_pull(repository, pull).await.map_err(refused)?.url)
}

fn edit(path: &str, text: &str) -> Result<FileEdit, Error> {
    let path: RepoPath = path.parse().map_err(|_| Error::internal())?;
    Ok(FileEdit { path, content: Some(text.as_bytes().to_vec()) })
}

fn body(paths: &[&str], notes: &[String]) -> String {
    let files: String = paths.iter().map(|path| format!("- `{path}`\n")).collect();
    let notes: String = notes.iter().map(|note| format!("- {}\n", github::text::neutralise(note))).collect();
    format!(
        "Adds what Aspora reads at the base of each change:\n\n{files}\nWhat was found in the repository:\n\n{notes}\n\
         Change what is wrong here; nothing is used before it is merged.\n"
    )
}

/// The files of a commit that detection asks for.
async fn fetch(mirror: &Mirror, commit: &Sha) -> Result<Fetched, workspace::Error> {
    let paths = mirror.paths(commit).await?;
    let mut texts = BTreeMap::new();
    for path in wanted(&paths) {
        let Ok(name) = path.parse::<RepoPath>() else { continue };
        let bytes = match mirror.read(commit, &name).await {
            Err(workspace::Error::TooLarge { .. }) => None,
            read => read?,
        };
        if let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
            texts.insert(path.to_owned(), text);
        }
    }
    Ok(Fetched { paths, texts })
}
