// Asks the gateway again: when told to, when there is a network again, and when somebody comes back to the page.
const again = () => location.reload();
document.getElementById('again').addEventListener('click', again);
window.addEventListener('online', again);
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') again();
});
