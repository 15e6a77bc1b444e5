// What was done is said once: an address that is loaded again or copied does not say it again.
export function forgetWhatWasSaid() {
  const address = new URL(location.href);
  if (!address.searchParams.has("done")) return;
  address.searchParams.delete("done");
  history.replaceState(null, "", address);
}
