//! Who gets an event. The twin has one receiver: the webhook of the App of the product or, where that App is not
//! registered, a webhook of each repository.

use super::{
    accounts::APP,
    apps::Registry,
    event::{Event, RepositoryAction},
    state::{HookOwner, Repository},
};

/// Whose webhook an event goes to, and by which installation it concerns an App.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Audience {
    pub(crate) owner: HookOwner,
    pub(crate) installation: Option<i64>,
}

/// Who gets an event in a repository, if anyone does. An App gets what it has subscribed to, where it is installed
/// and not suspended; what is only for the App that owns a check, that App gets unasked.
pub(crate) fn of(registry: &Registry, it: &Repository, event: &Event) -> Option<Audience> {
    let addressee = event.only_for();
    let Some(app) = registry.app_with_slug(APP) else {
        // A repository has no webhook yet when it is created.
        let is_too_early = matches!(event, Event::Repository(RepositoryAction::Created));
        let of_repository = Audience { owner: HookOwner::Repository(it.id), installation: None };
        return (addressee.is_none() && !is_too_early).then_some(of_repository);
    };
    let mut installations = registry.installations.values();
    let installed =
        installations.find(|one| one.app == app.id && !one.suspended && one.covers(&it.owner, it.id))?;
    let is_wanted = addressee.map_or_else(|| app.events.contains(event.name()), |slug| slug == app.slug);
    let may_hear = event.permission().is_none_or(|name| installed.permissions.contains_key(name));
    (is_wanted && may_hear)
        .then_some(Audience { owner: HookOwner::App(app.id), installation: Some(installed.id) })
}
