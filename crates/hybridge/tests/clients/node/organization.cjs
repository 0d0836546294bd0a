// Signing in to the organization of the sandbox, as a program does it (dynamics.md 2.1 to 2.3).
"use strict";

const fs = require("node:fs");
const { DynamicsWebApi } = require("dynamics-web-api");

/** Where to sign in, as the organization says it to those who come without a token (dynamics.md 2.1). */
async function challenge(sandbox) {
    const answer = await fetch(`${sandbox.organization}api/data/v9.1/WhoAmI`);
    const words = answer.headers.get("www-authenticate") ?? "";
    const parameter = (name) => words.match(new RegExp(`${name}="?([^",]+)`))?.[1];
    return {
        status: answer.status,
        scheme: words.split(" ")[0],
        authorization: parameter("authorization_uri"),
        resource: parameter("resource_id"),
    };
}

/** The password grant (dynamics.md 2.3). */
async function signIn(sandbox, { authorization, resource }, password) {
    const answer = await fetch(authorization.replace(/authorize$/, "token"), {
        method: "POST",
        body: new URLSearchParams({
            grant_type: "password",
            client_id: sandbox.adfs_client_id,
            resource,
            username: sandbox.user,
            password,
        }),
    });
    return { status: answer.status, ...(await answer.json()) };
}

/** dynamics-web-api with a token for the service account, and that token. */
async function connect(sandbox) {
    const password = fs.readFileSync(sandbox.password_file, "utf8").trim();
    const token = await signIn(sandbox, await challenge(sandbox), password);
    const api = new DynamicsWebApi({
        serverUrl: sandbox.organization,
        dataApi: { version: "9.1" },
        onTokenRefresh: async () => token.access_token,
    });
    return { token, api };
}

module.exports = { challenge, connect, signIn };
