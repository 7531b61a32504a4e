//! What a topology leaves on Kubernetes: its pods end after Heron has forgotten it, and a new topology of the name would meet
//! them. Names and labels are those of Heron's KubernetesShim: the StatefulSets `<name>-executors` and `<name>-manager`, pods
//! labelled `topology=<name>`.

use super::wait::Wait;
use super::{Error, Target};
use crate::kubernetes::gone::{Old, gone};
use crate::kubernetes::{self, Cluster, Connection, Kind, Object};

/// Waits until the StatefulSets and pods of a topology that was killed are gone; at once where it does not run on Kubernetes.
pub(super) async fn wait_until_gone(target: &Target, wait: &Wait) -> Result<(), Error> {
    let namespace = target.kubernetes_namespace.as_str();
    if namespace.is_empty() {
        return Ok(());
    }
    let failed = |source| Error::Pods { topology: target.topology.clone(), namespace: namespace.to_owned(), source };
    let connection = Connection { namespace: namespace.to_owned(), ..Connection::default() };
    let cluster = Cluster::connect(&connection).await.map_err(failed)?;
    let mut limit = kubernetes::Wait::within(wait.request_limit());
    gone(&cluster, &left(target, namespace), &mut limit).await.map_err(failed)
}

fn left(target: &Target, namespace: &str) -> [Old; 3] {
    let set = |part| Old::Named(Object::new(Kind::stateful_set(), namespace, &format!("{}-{part}", target.topology)));
    let labels = format!("topology={}", target.topology);
    [set("executors"), set("manager"), Old::Labelled { kind: Kind::pod(), namespace: namespace.to_owned(), labels }]
}
