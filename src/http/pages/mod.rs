//! Pages, rendered on the server and readable without JavaScript.

use axum::Router;

use super::App;

/// The pages' routes.
pub fn router() -> Router<App> {
    Router::new()
}
