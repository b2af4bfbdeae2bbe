//! A request, from where it has been read to where it has been answered. Start reading here.

use std::rc::Rc;

use bytes::Bytes;
use mezu_model::{Aim, RequestHead, ResponseHead};
use mezu_tunnel::proto::ByteBudget;

use crate::access_log::Owner;
use crate::answer::EdgeError;
use crate::forward::forward;
use crate::gates::Ways;
use crate::guard;
use crate::http::{BadRequest, ConnInfo, Exchange, Serve};
use crate::metrics::Shed;
use crate::observe::{Record, Watch};
use crate::own_answer::{self, Own};
use crate::routes::{Request, Routed, Table};
use crate::worker::Worker;

impl Serve for Worker {
    async fn serve<X: Exchange>(&self, conn: &ConnInfo, head: &mut RequestHead, exchange: &mut X) {
        let mut watch = Watch::open(self, own_answer::context(conn, exchange.protocol()), head);
        #[cfg(test)]
        let trap = crate::tests::panics::Trap::of(watch.head);
        let result = {
            // One snapshot for the whole life of the request; a panic is one request's misfortune.
            let table = self.table();
            let (now, body) = (watch.record.started(), exchange.body());
            let request = Request::new(conn, &watch.context, &mut *watch.head, body, now, &mut watch.beside);
            let passing = self.pass(&table, request, exchange, &mut watch.record);
            #[cfg(test)]
            let passing = trap.around(passing);
            guard::isolate(passing).await
        };
        if let Err(own) = result.unwrap_or_else(|_| Err(EdgeError::Internal("panic").into())) {
            self.answer(own, &mut watch, exchange).await;
        }
        watch.finish();
    }

    fn refuse(&self, conn: &ConnInfo, problem: BadRequest, answer: &mut ResponseHead) -> Bytes {
        self.answer_unread(conn, problem, answer)
    }

    fn memory(&self) -> Option<ByteBudget> {
        Some(self.shared.memory.clone())
    }

    fn turned_away(&self, reason: Shed) {
        self.metrics.shed(reason);
    }
}

impl Worker {
    /// The path of every request. Each step takes what the one before it has made; there is no other way through.
    async fn pass<X: Exchange>(
        &self,
        table: &Table,
        request: Request<'_>,
        exchange: &mut X,
        record: &mut Record,
    ) -> Result<(), Own> {
        record.generation = table.generation;
        self.admit()?;
        let routed: Routed<'_> = table.route(request, &self.shared.certs)?;
        let owner = routed.route.owner();
        (record.owner, record.stages) = (Some(owner), routed.route.stages);
        if let Some(required) = routed.required() {
            // Before the stages: they speak for a host that there is.
            self.gates.known(&required).ok_or(EdgeError::NoSuchLabel)?;
        }
        record.take_place(self)?;
        let (aim, permitted) = routed.permit()?;
        let ways = self.ways(&aim, permitted.instead())?;
        record.owner = Some(Owner { workload: ways.aim.workload, ..owner });
        Ok(forward(self, permitted, &ways, exchange, record).await?)
    }

    /// The ways to where a request goes. Where nobody wears the label that was dealt out, to who is there instead.
    fn ways(&self, aim: &Aim, instead: Option<&[Aim]>) -> Result<Rc<Ways>, EdgeError> {
        if aim.label.is_none() {
            return Ok(self.gates.ways(aim.workload));
        }
        if let Some(ways) = self.gates.manned(aim) {
            return Ok(ways);
        }
        let Some(instead) = instead else { return self.gates.known(aim).ok_or(EdgeError::NoSuchLabel) };
        let found = instead.iter().find_map(|aim| self.gates.manned(aim));
        Ok(found.unwrap_or_else(|| self.gates.ways(aim.workload)))
    }
}
