//! What others make of the pull request of a run that has ended: they merge, close or reopen it. A merge is judged after
//! the fact, as one of a run that had not ended.

use uuid::Uuid;

use super::{Factory, Failure, LookedBack, merging};
use crate::{
    core::{
        policy::PullState,
        run::{Event, Progress, State},
        workflow::End,
    },
    github::Pull,
    store::run::{self, StoredRun},
};

/// What became of the pull request since the run's history last spoke of it.
pub(super) async fn look_back(factory: &Factory, run: Uuid) -> Result<Option<LookedBack>, Failure> {
    let Some(stored) = run::get(&factory.pool, run).await? else { return Ok(None) };
    let (Some(known), Some(number)) = (known(&stored), stored.run.progress.pull) else { return Ok(None) };
    if known == PullState::Merged {
        return Ok(None);
    }
    let repo = stored.spec.repository.parse().map_err(Failure::last)?;
    let pull = factory.forge.pull(&repo, number).await?;
    if pull.state == known {
        return Ok(None);
    }
    changed(factory, &stored, &pull).await.map(Some)
}

/// The state of the pull request as the history of a run that has ended has it.
fn known(stored: &StoredRun) -> Option<PullState> {
    let State::Ended { name, end, .. } = &stored.run.state else { return None };
    let progress = &stored.run.progress;
    if *end == End::Succeeded || progress.merged.is_some() {
        return Some(PullState::Merged);
    }
    let at_end = if name == "closed" { PullState::Closed } else { PullState::Open };
    Some(progress.after_end.unwrap_or(at_end))
}

async fn changed(factory: &Factory, stored: &StoredRun, pull: &Pull) -> Result<LookedBack, Failure> {
    let number = pull.number;
    let (by, note, progress) = match pull.state {
        PullState::Merged => {
            let judged = merging::judged(&factory.pool, stored.spec.id, pull).await?;
            (judged.by, judged.note, judged.progress)
        }
        PullState::Closed => {
            ("unknown".to_owned(), format!("pull request #{number} was closed"), Progress::default())
        }
        PullState::Open => {
            let note = format!("pull request #{number} was reopened; retry the run to have it judged again");
            ("unknown".to_owned(), note, Progress::default())
        }
    };
    Ok(LookedBack { by, event: Event::PullChanged { state: pull.state, note, progress } })
}
