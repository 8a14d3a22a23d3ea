//! Installations of Apps: made, changed, suspended and removed. Their App learns of each by a webhook.

use anyhow::Context as _;

use super::{
    apps::{App, Installation},
    event::{BriefRepository, Event},
    host::Host,
    state::State,
};

/// Makes an installation, in place of the one that the App had on the account.
pub(crate) fn install(host: &Host, new: &Installation) -> anyhow::Result<()> {
    let (events, account) = host.change(|state| {
        let app = app_of(state, new)?;
        let before = state.registry.installations.insert(new.id, new.clone());
        let events = match before {
            None => vec![event("created", &app, new, covered(state, new))],
            Some(before) => changes(state, &app, &before, new),
        };
        Ok((events, new.account.clone()))
    })?;
    events.iter().try_for_each(|event| host.announce_to_app(&account, event))
}

/// Suspends an installation, or resumes it.
pub(crate) fn suspend(host: &Host, id: i64, suspended: bool) -> anyhow::Result<()> {
    let (event, account) = host.change(|state| {
        let it = state.registry.installations.get_mut(&id);
        let it = it.with_context(|| format!("the twin has no installation {id}"))?;
        it.suspended = suspended;
        let it = it.clone();
        let action = if suspended { "suspend" } else { "unsuspend" };
        Ok((event(action, &app_of(state, &it)?, &it, covered(state, &it)), it.account))
    })?;
    host.announce_to_app(&account, &event)
}

/// Removes an installation; one that is unknown is removed already.
pub(crate) fn remove(host: &Host, id: i64) -> anyhow::Result<()> {
    let removed = host.change(|state| {
        let Some(it) = state.registry.installations.remove(&id) else { return Ok(None) };
        Ok(Some((event("deleted", &app_of(state, &it)?, &it, covered(state, &it)), it.account)))
    })?;
    removed.map_or(Ok(()), |(event, account)| host.announce_to_app(&account, &event))
}

fn app_of(state: &State, it: &Installation) -> anyhow::Result<App> {
    let app = state.registry.apps.get(&it.app).cloned();
    app.with_context(|| format!("the twin has no App {}", it.app))
}

fn event(action: &'static str, app: &App, it: &Installation, repositories: Vec<BriefRepository>) -> Event {
    Event::Installation { action, app: app.clone(), installation: it.clone(), repositories }
}

/// What an installation that was there before has become.
fn changes(state: &State, app: &App, before: &Installation, after: &Installation) -> Vec<Event> {
    let (old, new) = (covered(state, before), covered(state, after));
    let without = |these: &[BriefRepository], those: &[BriefRepository]| -> Vec<BriefRepository> {
        these.iter().filter(|one| !those.contains(one)).cloned().collect()
    };
    let moved = |action, repositories: Vec<BriefRepository>| {
        let (app, installation) = (app.clone(), after.clone());
        (!repositories.is_empty()).then_some(Event::InstallationRepositories {
            action,
            app,
            installation,
            repositories,
        })
    };
    let accepted = (before.permissions != after.permissions)
        .then(|| event("new_permissions_accepted", app, after, new.clone()));
    let added = moved("added", without(&new, &old));
    accepted.into_iter().chain(added).chain(moved("removed", without(&old, &new))).collect()
}

fn covered(state: &State, it: &Installation) -> Vec<BriefRepository> {
    let repositories = state.repositories.values().filter(|one| it.covers(&one.owner, one.id));
    repositories.map(BriefRepository::of).collect()
}
