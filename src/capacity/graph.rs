//! Who feeds whom, and how many records each component is given for one record of the load.

use std::str::FromStr;

use super::Error;

/// By how much what was measured may be less than what the ratios given make, as a factor: measured values scatter.
const NEARLY: f64 = 1.01;

/// An edge as people write it: `splitter->counter=20`, twenty words of each sentence. Without a ratio the reports tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Who gives the records.
    pub from: String,
    /// Who takes them.
    pub to: String,
    /// Records given on for each record taken in: the selectivity.
    pub ratio: Option<f64>,
}

impl FromStr for Edge {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not an edge such as splitter->counter or splitter->counter=20");
        let (from, rest) = text.split_once("->").ok_or_else(wrong)?;
        let (to, ratio) = match rest.rsplit_once('=') {
            Some((to, ratio)) => {
                (to, Some(ratio.parse().ok().filter(|ratio: &f64| ratio.is_finite() && *ratio >= 0.0)))
            }
            None => (rest, None),
        };
        let ratio = match ratio {
            Some(None) => return Err(wrong()),
            Some(ratio) => ratio,
            None => None,
        };
        let (from, to) = (from.trim(), to.trim());
        if from.is_empty() || to.is_empty() {
            return Err(wrong());
        }
        Ok(Self { from: from.to_owned(), to: to.to_owned(), ratio })
    }
}

/// A component as far as the graph is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether it brings the records in; none when only the edges can tell.
    pub source: Option<bool>,
    /// Records it was measured to have for each record of all sources together.
    pub measured: Option<f64>,
}

/// An edge between components by their places in the list, with its ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// The place of who gives the records.
    pub from: usize,
    /// The place of who takes them.
    pub to: usize,
    /// The selectivity.
    pub ratio: f64,
}

/// The components' graph, without cycles.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Which components are sources, in the order of the components.
    pub sources: Vec<bool>,
    /// Records of each component for each record of the load, likewise.
    pub shares: Vec<f64>,
    /// The edges with their ratios.
    pub links: Vec<Link>,
}

impl Graph {
    /// The graph of these edges, or, without any, a chain in the order of the components: all sources feed the first of the
    /// others. A chain is right for every topology whose ratios were measured: what a component is given for a record of the
    /// load is then measured too, whichever way the records took (the forced flow law: Denning and Buzen, The Operational
    /// Analysis of Queueing Network Models, 1978). With ratios given by hand the edges have to be the real ones.
    pub fn new(nodes: &[Node], edges: &[Edge]) -> Result<Self, Error> {
        let (sources, pairs) = if edges.is_empty() { chain(nodes) } else { given(nodes, edges)? };
        let order = sorted(nodes, &pairs)?;
        let mut links = Vec::new();
        let mut shares = source_shares(nodes, &sources);
        for at in order {
            if sources[at] {
                continue;
            }
            let inputs: Vec<(usize, Option<f64>)> =
                pairs.iter().filter(|(_, to, _)| *to == at).map(|(from, _, ratio)| (*from, *ratio)).collect();
            let common = common_ratio(nodes, &shares, at, &inputs)?;
            for (from, ratio) in inputs {
                let ratio = ratio.unwrap_or(common);
                shares[at] += shares[from] * ratio;
                links.push(Link { from, to: at, ratio });
            }
        }
        Ok(Self { sources, shares, links })
    }
}

type Pairs = Vec<(usize, usize, Option<f64>)>;

fn chain(nodes: &[Node]) -> (Vec<bool>, Pairs) {
    let known = nodes.iter().any(|node| node.source == Some(true));
    let sources: Vec<bool> =
        nodes.iter().enumerate().map(|(at, node)| if known { node.source == Some(true) } else { at == 0 }).collect();
    let mut pairs = Pairs::new();
    let mut feeders: Vec<usize> = (0..nodes.len()).filter(|at| sources[*at]).collect();
    for at in (0..nodes.len()).filter(|at| !sources[*at]) {
        pairs.extend(feeders.iter().map(|from| (*from, at, None)));
        // One that had no records, as for errors, gave none on.
        if nodes[at].measured != Some(0.0) {
            feeders = vec![at];
        }
    }
    (sources, pairs)
}

fn given(nodes: &[Node], edges: &[Edge]) -> Result<(Vec<bool>, Pairs), Error> {
    let place = |name: &str| {
        nodes.iter().position(|node| node.name == name).ok_or_else(|| Error::Unknown {
            flag: "--edge",
            name: name.to_owned(),
            known: names(nodes),
        })
    };
    let mut pairs: Pairs = Vec::new();
    for edge in edges {
        let (from, to) = (place(&edge.from)?, place(&edge.to)?);
        if pairs.iter().any(|(a, b, _)| (*a, *b) == (from, to)) {
            return Err(Error::Twice { flag: "--edge", name: format!("{}->{}", edge.from, edge.to) });
        }
        pairs.push((from, to, edge.ratio));
    }
    let fed = |at: usize| pairs.iter().any(|(_, to, _)| *to == at);
    if let Some((at, node)) = nodes.iter().enumerate().find(|(at, node)| node.source.is_some_and(|is| is == fed(*at))) {
        let name = node.name.clone();
        return Err(if fed(at) { Error::FedSource { name } } else { Error::Unfed { name } });
    }
    Ok(((0..nodes.len()).map(|at| !fed(at)).collect(), pairs))
}

/// The components in an order in which each comes after those that feed it.
fn sorted(nodes: &[Node], pairs: &Pairs) -> Result<Vec<usize>, Error> {
    let mut order: Vec<usize> = Vec::new();
    while order.len() < nodes.len() {
        let next = (0..nodes.len())
            .find(|at| !order.contains(at) && pairs.iter().all(|(from, to, _)| to != at || order.contains(from)));
        match next {
            Some(at) => order.push(at),
            None => {
                let left = nodes.iter().enumerate().filter(|(at, _)| !order.contains(at));
                return Err(Error::Cycle {
                    names: left.map(|(_, node)| node.name.as_str()).collect::<Vec<_>>().join(", "),
                });
            }
        }
    }
    Ok(order)
}

/// What each source brings of a record of the load: as measured, else all the same.
fn source_shares(nodes: &[Node], sources: &[bool]) -> Vec<f64> {
    let measured: Option<Vec<f64>> =
        nodes.iter().zip(sources).filter(|(_, source)| **source).map(|(node, _)| node.measured).collect();
    let total: f64 = measured.iter().flatten().sum();
    let count = sources.iter().filter(|source| **source).count() as f64;
    let share = |node: &Node| match (total > 0.0, node.measured) {
        (true, Some(measured)) => measured / total,
        _ => 1.0 / count,
    };
    nodes.iter().zip(sources).map(|(node, source)| if *source { share(node) } else { 0.0 }).collect()
}

/// The ratio of the edges into a component that were given none: one for all, so that what comes in is what was measured; 1
/// where nothing was. An input that was not measured had its computed share.
fn common_ratio(nodes: &[Node], shares: &[f64], at: usize, inputs: &[(usize, Option<f64>)]) -> Result<f64, Error> {
    let Some(all) = nodes[at].measured else { return Ok(1.0) };
    let input = |from: usize| nodes[from].measured.unwrap_or(shares[from]);
    let given: f64 = inputs.iter().filter_map(|(from, ratio)| Some((*ratio)? * input(*from))).sum();
    let open: Vec<f64> = inputs.iter().filter(|(_, ratio)| ratio.is_none()).map(|(from, _)| input(*from)).collect();
    let sum: f64 = open.iter().sum();
    let name = || nodes[at].name.clone();
    if open.is_empty() {
        return Ok(1.0);
    }
    if given > all * NEARLY {
        return Err(Error::TooMuch { name: name(), given, measured: all });
    }
    if sum > 0.0 {
        return Ok((all - given).max(0.0) / sum);
    }
    if all > given * NEARLY {
        return Err(Error::NoInput { name: name(), measured: all - given });
    }
    Ok(1.0)
}

/// The components' names, for a message.
fn names(nodes: &[Node]) -> String {
    nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(all: &[(&str, Option<f64>)]) -> Vec<Node> {
        all.iter()
            .map(|(name, measured)| Node { name: (*name).to_owned(), source: None, measured: *measured })
            .collect()
    }

    fn edges(all: &[&str]) -> Vec<Edge> {
        all.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn an_edge_is_read_as_people_write_it() {
        let edge: Edge = "a->b=0.5".parse().unwrap();
        assert_eq!((edge.from.as_str(), edge.to.as_str(), edge.ratio), ("a", "b", Some(0.5)));
        assert_eq!("a -> b".parse::<Edge>().unwrap().ratio, None);
        for wrong in ["a", "a->", "->b", "a->b=", "a->b=x", "a->b=-1", "a->b=inf"] {
            assert!(wrong.parse::<Edge>().is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn without_edges_the_components_are_a_chain_with_the_ratios_that_were_measured() {
        let graph =
            Graph::new(&nodes(&[("spout", Some(1.0)), ("split", Some(1.0)), ("count", Some(20.0))]), &[]).unwrap();
        assert_eq!(graph.sources, [true, false, false]);
        assert_eq!(graph.shares, [1.0, 1.0, 20.0]);
        assert_eq!(graph.links[1], Link { from: 1, to: 2, ratio: 20.0 });
    }

    #[test]
    fn a_chain_is_right_for_a_topology_that_is_none() {
        // a feeds b and c, both feed d: what d is given for a record of the load is measured all the same.
        let all = nodes(&[("a", Some(1.0)), ("b", Some(0.4)), ("c", Some(0.6)), ("d", Some(1.6))]);
        let chain = Graph::new(&all, &[]).unwrap();
        let real = Graph::new(&all, &edges(&["a->b", "a->c", "b->d", "c->d"])).unwrap();
        for (one, other) in chain.shares.iter().zip(&real.shares) {
            assert!((one - other).abs() < 1e-12, "{chain:?} {real:?}");
        }
    }

    #[test]
    fn one_that_had_no_records_and_one_that_was_not_measured_hide_nothing_behind_them() {
        let shares = |all: &[(&str, Option<f64>)]| Graph::new(&nodes(all), &[]).unwrap().shares;
        assert_eq!(shares(&[("a", Some(1.0)), ("errors", Some(0.0)), ("b", Some(20.0))]), [1.0, 0.0, 20.0]);
        assert_eq!(shares(&[("a", Some(1.0)), ("b", None), ("c", Some(20.0))]), [1.0, 1.0, 20.0]);
    }

    #[test]
    fn what_is_given_by_hand_goes_before_what_was_measured() {
        let all = nodes(&[("a", Some(1.0)), ("b", Some(0.5)), ("c", Some(2.0))]);
        let graph = Graph::new(&all, &edges(&["a->b=0.25", "a->c=1", "b->c"])).unwrap();
        // c was given 2 records of each of the load: 1 by a, the other by b, of half a record each.
        assert_eq!(graph.links[2], Link { from: 1, to: 2, ratio: 2.0 });
        assert_eq!(graph.shares, [1.0, 0.25, 1.5]);
    }

    #[test]
    fn several_sources_share_the_load_as_measured_or_evenly() {
        let all = nodes(&[("a", Some(0.9)), ("b", Some(0.1)), ("c", Some(1.0))]);
        assert_eq!(Graph::new(&all, &edges(&["a->c", "b->c"])).unwrap().shares, [0.9, 0.1, 1.0]);
        let by_hand = nodes(&[("a", None), ("b", None), ("c", None)]);
        assert_eq!(Graph::new(&by_hand, &edges(&["a->c", "b->c=3"])).unwrap().shares, [0.5, 0.5, 2.0]);
    }

    #[test]
    fn edges_that_make_no_graph_are_refused_by_name() {
        let mut all = nodes(&[("a", None), ("b", None), ("c", None)]);
        let refused = |all: &[Node], texts: &[&str]| Graph::new(all, &edges(texts)).unwrap_err().to_string();
        insta::assert_snapshot!(refused(&all, &["a->x"]), @r#"--edge names "x", which is no component: there are a, b, c"#);
        insta::assert_snapshot!(refused(&all, &["a->b", "a->b=2"]), @r#"--edge gives "a->b" twice"#);
        insta::assert_snapshot!(refused(&all, &["a->b", "b->c", "c->b"]), @"the edges go round in a circle through b, c: a plan needs edges that all lead away from the sources");
        all[2].source = Some(false);
        insta::assert_snapshot!(refused(&all, &["a->b"]), @"no edge leads to c, which is no source: give all edges, as --edge from->c");
        all[0].source = Some(true);
        insta::assert_snapshot!(refused(&all, &["a->b", "b->a", "b->c"]), @"an edge leads to a, which is a source: sources take their records from Kafka");
        let measured = nodes(&[("a", Some(1.0)), ("b", Some(0.5)), ("c", Some(1.0))]);
        insta::assert_snapshot!(refused(&measured, &["a->b", "a->c=3", "b->c"]), @"the ratios given into c make 3 records of each of the load, the reports measured 1: give the other edges' ratios too");
        let measured = nodes(&[("a", Some(1.0)), ("b", Some(0.0)), ("c", Some(2.0))]);
        insta::assert_snapshot!(refused(&measured, &["a->b", "b->c"]), @"the reports measured 2 records of c for each of the load that nothing with an edge to it had: give all edges, or their ratios");
    }

    #[test]
    fn ratios_that_make_hardly_more_than_was_measured_are_no_contradiction() {
        let all = nodes(&[("a", Some(1.0)), ("b", Some(0.5)), ("c", Some(0.998))]);
        assert_eq!(Graph::new(&all, &edges(&["a->b", "a->c=1", "b->c"])).unwrap().shares[2], 1.0);
    }
}
