/** What `check` finds about the certificate that the server itself would show. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { CliError, failingAs } from "../cli-error.js";
import type { Found } from "./finding.js";

const day = 86_400_000;
const notice = 14; // days before it ends

const mismatch = "the keys of --tls-key and --tls-cert differ; give a key and its certificate";

interface Pem {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Throws a `CliError` when a server could not even start with them. */
export async function checkPair(tls: Pem): Promise<void> {
  const { certificate, key } = await readPair(tls);
  if (!certificate.checkPrivateKey(key)) throw new CliError("configuration", mismatch);
}

async function readPair(
  tls: Pem,
): Promise<{ readonly certificate: X509Certificate; readonly key: KeyObject }> {
  const certificate = await failingAs(
    "configuration",
    "--tls-cert is not a certificate: ",
    () => new X509Certificate(tls.cert),
  );
  const key = await failingAs("configuration", "--tls-key is not a private key: ", () =>
    createPrivateKey(tls.key),
  );
  return { certificate, key };
}

/** `tls` is in PEM; `host` is the name by which clients reach the server, if it is known. */
export async function certificateAdvice(
  tls: Pem,
  host: string | undefined,
  now = Date.now(),
): Promise<Found> {
  const { certificate, key } = await readPair(tls);
  const daysLeft = Math.floor((Date.parse(certificate.validTo) - now) / day);
  const unsafe: readonly (readonly [boolean, string])[] = [
    [!certificate.checkPrivateKey(key), mismatch],
    [daysLeft < 0, `the certificate expired on ${certificate.validTo}; renew it`],
    [
      Date.parse(certificate.validFrom) > now,
      `the certificate is not valid before ${certificate.validFrom}; check this machine's clock`,
    ],
    [
      host !== undefined && certificate.checkHost(host) === undefined,
      `the certificate is for ${certificate.subjectAltName ?? certificate.subject}, and clients connect to ${host} (--issuer); get a certificate with that name`,
    ],
  ];
  const ending = `the certificate expires in ${daysLeft} days; renew it and restart the server, which reads it at the start only`;
  return [
    ...unsafe
      .filter(([isThere]) => isThere)
      .map(([, advice]) => ({ level: "unsafe" as const, advice })),
    ...(daysLeft >= 0 && daysLeft < notice ? [{ level: "warning" as const, advice: ending }] : []),
  ];
}
