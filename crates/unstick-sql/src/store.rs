//! The traits of the core over a dialect's [`Engine`](crate::engine::Engine), the same words for each.

/// Implements `Store` and `PrincipalIndex` for a type whose `inner` is an `Arc` of an engine.
macro_rules! store_over_engine {
    ($store:ident, $name:literal, $scope:expr) => {
        impl unstick_core::Store for $store {
            fn scope(&self) -> unstick_core::Scope {
                $scope
            }

            fn name(&self) -> &'static str {
                $name
            }

            async fn create(
                &self,
                op: unstick_core::OpCtx,
                key: unstick_core::RecordKey,
                new: &unstick_core::NewRecord,
            ) -> Result<unstick_core::Created, unstick_core::Error> {
                $crate::flow::create(&*self.inner, &op, &key, new).await
            }

            async fn load(
                &self,
                op: unstick_core::OpCtx,
                key: unstick_core::RecordKey,
                presented: unstick_core::Presented,
                renewal: Option<unstick_core::Renewal>,
            ) -> Result<unstick_core::Loaded, unstick_core::Error> {
                $crate::flow::load(&*self.inner, &op, &key, &presented, renewal.as_ref()).await
            }

            async fn apply(
                &self,
                op: unstick_core::OpCtx,
                key: unstick_core::RecordKey,
                presented: unstick_core::Presented,
                change: &unstick_core::Change,
            ) -> Result<unstick_core::Applied, unstick_core::Error> {
                $crate::flow::apply(&*self.inner, &op, &key, &presented, change).await
            }

            async fn rotate(
                &self,
                op: unstick_core::OpCtx,
                key: unstick_core::RecordKey,
                presented: unstick_core::Presented,
                rotation: &unstick_core::Rotation,
                change: &unstick_core::Change,
            ) -> Result<unstick_core::Rotated, unstick_core::Error> {
                $crate::flow::rotate(&*self.inner, &op, &key, &presented, rotation, change).await
            }

            async fn end(
                &self,
                op: unstick_core::OpCtx,
                key: unstick_core::RecordKey,
                presented: Option<unstick_core::Presented>,
                until: unstick_core::Timestamp,
            ) -> Result<unstick_core::Ended, unstick_core::Error> {
                $crate::flow::end(&*self.inner, &op, &key, presented.as_ref(), until).await
            }

            async fn sweep(&self, op: unstick_core::OpCtx, limit: usize) -> Result<usize, unstick_core::Error> {
                $crate::flow::sweep(&*self.inner, &op, limit).await
            }

            async fn update_locked(
                &self,
                op: unstick_core::OpCtx,
                key: unstick_core::RecordKey,
                presented: unstick_core::Presented,
                decide: unstick_core::Decide<'_>,
            ) -> Result<Option<unstick_core::Applied>, unstick_core::Error> {
                $crate::flow::update_locked(&*self.inner, &op, &key, &presented, decide).await.map(Some)
            }

            fn principal_index(&self) -> Option<&dyn unstick_core::PrincipalIndex> {
                Some(self)
            }
        }

        impl unstick_core::PrincipalIndex for $store {
            fn list<'a>(
                &'a self,
                op: unstick_core::OpCtx,
                principal: &'a str,
            ) -> unstick_core::BoxFuture<'a, Result<Vec<unstick_core::SessionEntry>, unstick_core::Error>> {
                Box::pin(async move { $crate::flow::list(&*self.inner, &op, principal).await })
            }

            fn end_others<'a>(
                &'a self,
                op: unstick_core::OpCtx,
                principal: &'a str,
                keep: Option<unstick_core::RecordKey>,
                skew: std::time::Duration,
            ) -> unstick_core::BoxFuture<'a, Result<u64, unstick_core::Error>> {
                Box::pin(async move { $crate::flow::end_others(&*self.inner, &op, principal, keep.as_ref(), skew).await })
            }

            fn reserve<'a>(
                &'a self,
                op: unstick_core::OpCtx,
                principal: &'a str,
                key: unstick_core::RecordKey,
                max: std::num::NonZeroU32,
                until: unstick_core::Timestamp,
            ) -> unstick_core::BoxFuture<'a, Result<unstick_core::Reservation, unstick_core::Error>> {
                Box::pin(async move { $crate::flow::reserve(&*self.inner, &op, principal, &key, max, until).await })
            }
        }
    };
}
pub(crate) use store_over_engine;
