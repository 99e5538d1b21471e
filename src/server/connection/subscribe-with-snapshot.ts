import { type ErrorObject, errorOf } from "../../protocol/error-codes.js";
import { type SubscribeResult, subscriptionMark } from "../../protocol/messages.js";
import type { TopicSubscription } from "../../pubsub/topic-subscription.js";
import type { TopicName } from "../../pubsub/topics.js";
import type { Auth } from "../../rpc/define/access.js";
import type { SnapshotSource } from "../../rpc/define/declared-subscription.js";
import {
  type Call,
  type PendingSubscription,
  RpcFault,
  type SubscribeCall,
} from "../../rpc/dispatch/call.js";
import { denied, mustBeAdmitted } from "../../rpc/dispatch/invoke.js";
import type { ConnectionSubscriptions, Kept } from "./connection-subscriptions.js";
import type { Snapshots, SnapshotTicket } from "./snapshots.js";

/** A call of a topic that is joined, and is answered with a snapshot. */
export interface JoinedCall {
  readonly asked: SubscribeCall;
  readonly topic: TopicName;
  readonly source: SnapshotSource;
  readonly kept: Kept;
  readonly read: SubscribeResult;
  /** Gives up the call's share in the subscription. */
  readonly giveUp: () => void;
}

interface SnapshotPorts {
  readonly subscriptions: ConnectionSubscriptions;
  readonly services: { readonly snapshots: Snapshots };
  readonly askAgain: () => PendingSubscription | Promise<PendingSubscription>;
}

/**
 * Takes the place of a subscription in its topic, then has the snapshot made. The events that come
 * meanwhile wait until the answer is sent. Rejects with {@link RpcFault} if there is no snapshot, or
 * the right to it was lost meanwhile.
 */
export async function withSnapshot(
  joined: JoinedCall,
  ports: SnapshotPorts,
): Promise<PendingSubscription> {
  const { asked, source, kept, read } = joined;
  const { call, params } = asked;
  const subscription = kept.subscription as TopicSubscription;
  let ticket: SnapshotTicket | undefined;
  const release = subscription.hold(() => ticket?.cancel());
  const place = subscription.place();
  const abandon = () => {
    ticket?.cancel();
    release();
    joined.giveUp();
  };
  call.onAbort = abandon;
  try {
    mustBeThere(joined);
    ticket = ports.services.snapshots.take({
      ...{ topic: joined.topic, source, params, given: asked.given },
      auth: () => call.session.identity as Auth, // it is no public method
    });
    const snapshot = await ticket.json;
    // the rule may have been asked again meanwhile
    do await subscription.whenConfirmed();
    while (subscription.isPaused && subscription.state !== "ended");
    mustBeThere(joined);
    return {
      result: { ...read, ...place, [subscriptionMark]: true },
      snapshot,
      refusal: () => refusalOf(joined),
      begin() {
        subscription.begin();
        release();
      },
      abandon,
    };
  } catch (error) {
    const hasEnded = subscription.state === "ended";
    abandon();
    if (!hasEnded) throw error;
    if (isReplaced(joined, ports)) return ports.askAgain();
    mustBeThere(joined); // throws why it has ended
    throw error;
  }
}

/** A call with `$since` has begun the subscription anew meanwhile. */
function isReplaced({ asked, kept }: JoinedCall, { subscriptions }: SnapshotPorts): boolean {
  const { subscription } = kept;
  return (
    !asked.call.isAborted &&
    subscription.endReason === undefined &&
    subscriptions.get(subscription.id) !== undefined
  );
}

function mustBeThere({ asked, kept }: JoinedCall): void {
  mustBeAdmitted(asked.call);
  const ended = endOf(asked.call, kept);
  if (ended !== null) throw new RpcFault(ended);
}

/** Why the snapshot must not be sent, if the answer had to wait for others; null: it may be. */
function refusalOf({ asked, kept }: JoinedCall): ErrorObject | null {
  if (!kept.subscription.isPaused) return endOf(asked.call, kept);
  return errorOf("overloaded", { retryAfter: 1, hint: "the rule authorize is being asked again" });
}

/** The error of a call whose subscription has ended; null: it has not. */
function endOf(call: Call, { subscription: { state, endReason } }: Kept): ErrorObject | null {
  if (state !== "ended") return null;
  if (endReason === "forbidden") return denied(call).error;
  if (endReason === undefined)
    return errorOf("cancelled", { hint: "it was unsubscribed before the answer" });
  const hint = "more events came than may wait while the snapshot was made; subscribe again";
  return errorOf("overloaded", { retryAfter: 1, hint });
}
