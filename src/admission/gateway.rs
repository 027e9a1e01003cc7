//! Gateways of tenants: none may have a listener for a hostname of another tenant.

use super::cel::{covering, standing, world};
use super::facts::Facts;
use super::{Subject, variable};

/// What is asked about Gateways. Those in nobody's namespaces are the platform's.
pub(super) fn gateway(facts: &Facts) -> Subject {
    let mut variables = world(facts);
    let standing = standing(&facts.classes, facts.others, "object.spec.gatewayClassName");
    variables.push(variable("standing", standing));
    // a hostname as a whole belongs to whom claims all paths of it
    let owners = format!(
        "object.spec.listeners.filter(listener, has(listener.hostname) && listener.hostname != '')\n  \
         .map(listener, {}\n    \
         .filter(claims, claims.exists(claim, claim.path == ''))\n    \
         .map(claims, claims.filter(claim, claim.path == '')[0])\n    \
         .map(claim, {{'listener': string(listener.name), 'what': string(claim.what), 'tenant': string(claim.tenant)}}))",
        covering(facts, "listener.hostname")
    );
    variables.push(variable("owners", owners));
    let lost = "variables.tenant == '' || variables.standing == 'foreign' ? []\n  \
                : variables.owners.filter(it, size(it) > 0 && it[0].tenant != variables.tenant).map(it, it[0])";
    variables.push(variable("lost", lost));
    let message = "variables.lost.map(it, \"listener '\" + it.listener + \"': '\" + it.what + \"' is claimed by Tenant '\" \
                   + it.tenant + \"'\").join('; ')";
    Subject { resource: "gateways", variables, permitted: "size(variables.lost) == 0", message: message.to_owned() }
}
