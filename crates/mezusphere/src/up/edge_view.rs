//! The edge, as control may see it.

use mezu_control::{EdgeView, Pending, Publication};

use super::live::Live;
use super::publisher::Publisher;

/// Publishes what is stored and sees that the edge serves it.
pub(super) struct Seen {
    pub(super) publisher: Publisher,
    pub(super) live: Live,
}

impl EdgeView for Seen {
    fn publish(&self) -> Pending<'_, Publication> {
        Box::pin(async {
            let published = self.publisher.publish().await;
            let generation = self.publisher.current().generation;
            let late = match published {
                Err(why) => Some(why),
                Ok(()) if self.live.serves(generation).await => None,
                Ok(()) => Some("the edge still serves the snapshot before; see its log".into()),
            };
            Publication { generation, late }
        })
    }

    fn generation(&self) -> u64 {
        self.live.edge().map_or(0, mezu_edge::EdgeHandle::generation)
    }
}
