// What the scripts in this folder share: where the sandbox is, and how they report.
//
// Each of them is called with one argument, the file that holds the line `hybridge sandbox --json` printed,
// and prints one line of JSON about what it saw. What it should have seen is known to tests/clients.rs alone.
// NODE_PATH says where the libraries are, NODE_EXTRA_CA_CERTS which certificate authority to trust.
"use strict";

const dns = require("node:dns");
const fs = require("node:fs");

const LOOPBACK = new Set(["localhost", "127.0.0.1", "::1"]);
const PATIENCE_MS = 120_000;

// Does not keep the script alive; it only fires in one that hangs.
setTimeout(() => {
    console.error("it hangs");
    process.exit(1);
}, PATIENCE_MS).unref();

// Makes every look-up of another host fail: a library that calls home by itself is found out.
const lookUp = dns.lookup;
dns.lookup = (host, ...rest) => {
    if (LOOPBACK.has(host)) return lookUp(host, ...rest);
    rest.at(-1)(new Error(`this test must not reach ${host}`));
};

/** Runs a script's work with the description of the sandbox and prints what it saw. */
exports.report = async (work) => {
    const sandbox = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
    console.log(JSON.stringify(await work(sandbox)));
};

/** Asks until there is an answer, for ten seconds at the most. */
exports.eventually = async (ask) => {
    for (let round = 0; round < 100; round += 1) {
        const answer = await ask();
        if (answer) return answer;
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return null;
};
