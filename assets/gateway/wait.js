// A read that meets a service which is just starting waits for it, and is then judged and answered as if it had just
// come. Nothing else is repeated: what came with a body may have been taken already.

// Seconds. Together less than a browser or a person waits. nginx follows ten redirections of a request at the most, and
// each pause takes two of them.
const PAUSES = [0.3, 0.7, 2, 4];

// Paths that nginx takes as they are, so that the second time leads to the same location as the first.
const PLAIN = /^(\/[\w~-][\w.~-]*)*\/?$/;

function wait(r) {
    const pauses = Number(r.variables.pauses);
    const path = r.variables.request_uri.split('?')[0];
    const reads = r.method === 'GET' || r.method === 'HEAD';
    if (!reads || !PLAIN.test(path) || pauses >= PAUSES.length) {
        r.return(503);
        return;
    }
    r.variables.pauses = pauses + 1;
    setTimeout(() => r.internalRedirect(r.variables.request_uri), 1000 * PAUSES[pauses]);
}

export default { wait };
