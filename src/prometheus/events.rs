//! What happened to the application inside the window, as its own engine tells.

use jiff::Timestamp;

use crate::report::{App, Event, Window};
use crate::step::Failure;
use crate::{flink, heron};

/// Asks the application where its deployment left word of how, and notes what happened to it in the window. One that cannot be
/// asked makes a warning: nobody knows whether it stayed whole.
pub(super) async fn note(app: &mut App, window: Window) {
    (app.events, app.warnings) = (Vec::new(), Vec::new());
    if app.address.is_empty() {
        return;
    }
    match ask(app, (window.start, window.end)).await {
        Ok(events) => app.events = events,
        Err(failure) => {
            let words = failure.to_string().replace('\n', " ");
            app.warnings.push(format!("it is not known what happened to {} in the window: {words}", app.name));
        }
    }
    for event in &app.events {
        tracing::warn!("{}", event.told(window.start));
    }
    app.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
}

async fn ask(app: &App, window: (Timestamp, Timestamp)) -> Result<Vec<Event>, Failure> {
    match app.engine.as_str() {
        "flink" => Ok(flink::events(app, window).await?),
        "heron" => Ok(heron::events(app, window).await?),
        _ => Ok(Vec::new()),
    }
}
