// Requests the page again: on a click, when the network is back, and when the tab becomes visible.
const again = () => location.reload();
document.getElementById('again').addEventListener('click', again);
window.addEventListener('online', again);
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') again();
});
