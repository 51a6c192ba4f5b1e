/**
 * Frames of `subscribeRepos` and `subscribeLabels`: a header and a body, both DAG-CBOR.
 *
 * @module
 */
import { concatBytes } from "./bytes.ts";
import { encodeCar } from "./car.ts";
import { encodeCbor } from "./cbor.ts";
import type { RepoCommit } from "./repo.ts";

/** A message. @param type With its `#`. @param body Anything; a `Uint8Array` is taken as it is, whatever it holds. */
export function messageFrame(type: string, body: unknown): Uint8Array {
  return concatBytes([encodeCbor({ op: 1, t: type }), body instanceof Uint8Array ? body : encodeCbor(body)]);
}

/** An error, after which a server closes. @param type Some servers put a type into the header of errors too. */
export function errorFrame(error: string, message?: string, type?: string): Uint8Array {
  return concatBytes([encodeCbor({ op: -1, t: type }), encodeCbor({ error, message })]);
}

/** Where a message stands in a stream. */
export interface Numbered {
  readonly seq: number;
  /** RFC 3339. */
  readonly time: string;
}

/** A `#commit`; `change` replaces members of its body. */
export function commitFrame(
  at: Numbered,
  commit: RepoCommit,
  change: Readonly<Record<string, unknown>> = {},
): Uint8Array {
  const blocks = encodeCar(commit.body.commit.$link, commit.blocks);
  return messageFrame("#commit", { ...commit.body, blocks, ...at, ...change });
}

/** A `#sync`, of what `Repo.sync` gives. */
export function syncFrame(
  at: Numbered,
  sync: { readonly did: string; readonly rev: string; readonly blocks: Uint8Array },
): Uint8Array {
  return messageFrame("#sync", { ...sync, ...at });
}

/** An `#identity`. */
export function identityFrame(at: Numbered, did: string, handle?: string): Uint8Array {
  return messageFrame("#identity", { did, handle, ...at });
}

/** An `#account`. */
export function accountFrame(at: Numbered, did: string, active: boolean, status?: string): Uint8Array {
  return messageFrame("#account", { did, active, status, ...at });
}

/** An `#info`; it has no number. */
export function infoFrame(name: string, message?: string): Uint8Array {
  return messageFrame("#info", { name, message });
}

/** A `#labels`. */
export function labelsFrame(seq: number, labels: readonly unknown[]): Uint8Array {
  return messageFrame("#labels", { seq, labels });
}
