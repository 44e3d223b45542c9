//! What is to be invalidated for one request, until that is under way: dropped before, it is done in the background.

use std::{mem, sync::Arc};

use unstick_core::Target;

use super::{
    Invalidations, Outcome,
    layer::Settings,
    told::{Invalidates, in_background},
};

pub(super) struct Guard {
    pub(super) settings: Arc<Settings>,
    /// By the function.
    named: Vec<Target>,
    /// By the handler.
    invalidations: Invalidations,
    is_armed: bool,
}

impl Guard {
    pub(super) fn new(settings: Arc<Settings>, named: Vec<Target>) -> Self {
        let invalidations = Invalidations::new(settings.namespace.clone());
        Self { settings, named, invalidations, is_armed: true }
    }

    pub(super) const fn invalidations(&self) -> &Invalidations {
        &self.invalidations
    }

    /// The inner service is done, and what this returns is on its way to be invalidated. What is added from now on is invalidated
    /// at once. Where the outcome is unknown, it is taken down to be repeated.
    pub(super) fn release(mut self, outcome: Outcome, told: Option<Invalidates>) -> Vec<Target> {
        self.is_armed = false;
        self.collect(outcome, told)
    }

    fn collect(&mut self, outcome: Outcome, told: Option<Invalidates>) -> Vec<Target> {
        let mut targets = if outcome == Outcome::Unchanged { Vec::new() } else { mem::take(&mut self.named) };
        targets.extend(self.invalidations.close());
        targets.extend(told.into_iter().flat_map(|told| told.targets));
        once_each(&mut targets);
        if outcome == Outcome::Unknown {
            self.settings.late.add(&self.settings.namespace, self.settings.settle, &targets);
        }
        targets
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.is_armed {
            return;
        }
        let targets = self.collect(Outcome::Unknown, None);
        if !targets.is_empty() {
            in_background(&self.settings.namespace, targets);
        }
    }
}

fn once_each(targets: &mut Vec<Target>) {
    if targets.contains(&Target::All) {
        *targets = vec![Target::All];
    } else if targets.len() > 1 {
        let mut seen = std::collections::HashSet::with_capacity(targets.len());
        targets.retain(|target| seen.insert(target.clone()));
    }
}

#[cfg(test)]
mod tests {
    use unstick_core::TagKey;

    use super::*;

    #[test]
    fn nothing_is_invalidated_twice_and_everything_only_as_one() {
        let tag = |text: &str| Target::Tag(TagKey::from(text));
        let mut targets = vec![tag("a"), tag("b"), tag("a")];
        once_each(&mut targets);
        assert_eq!(targets, [tag("a"), tag("b")]);
        targets.extend([Target::All, tag("c")]);
        once_each(&mut targets);
        assert_eq!(targets, [Target::All]);
    }
}
