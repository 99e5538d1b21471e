/**
 * Members that only the client's own modules see, by the objects that have them: the ready-made
 * module has any names for them, and the same for two that no object has both. None of an option, a
 * result, an event, the wire, or the platform. A test looks up what each stands for.
 */
const objects = Object.entries({
  TokenShare: "take use",
  TokenSource: "cancel isAsking obtain",
  Flight: "controller outcome",
  SessionClock: "check start stop",
  SessionRenewal: `accept allowed begin check current invalidate isAsking keepToken lost mayRepeat notice owner reset
    onSignOut signOut signedIn`,
  Connection: "end ensureConnecting isReady open ping probe renewal report sendAuth wait",
  ConnectionState: "closing hasten is signedIn socket",
  ConnectionEvents: "answer emit lost notification received",
  SocketHandlers: "closed opened received",
  PendingCalls: "move stop unanswered unsettled waiting wake",
  Call: `body claim deadline failure frame group isAdopted isHeld isIdempotent isRepeat mayHaveRun onFailure
    onResult owner phase promise refusal release`,
  CallManager: "answer forget lost pump reject sendNow",
  Subscription: "asked cancelTimer inbox isResumed owner release tries",
  EventQueue: "end lose put",
  Subscriptions: "ended event lost open",
}).map(([, names]) => names.split(/\s+/));

export const innerMembers = [...new Set(objects.flat())];

/** Whether an object has both, so that they need names of their own. */
export function areTogether(one, other) {
  return objects.some((names) => names.includes(one) && names.includes(other));
}
