// Opens a share link. Its secret is behind the #, which no browser sends, so it is in no log.
(function () {
  'use strict';

  var share = window.location.pathname;
  var secret = window.location.hash.slice(1);

  function show(title, text) {
    document.title = title;
    document.getElementById('title').textContent = title;
    document.getElementById('text').textContent = text;
  }

  function ended() {
    show(
      'This link has ended',
      'It is past its date, it was revoked, or a part of it is missing. Ask the person who sent it for a new one.'
    );
  }

  function study() {
    return fetch(share + '/study', { cache: 'no-store' }).then(function (answer) {
      if (answer.status === 401) {
        window.location.replace('/oauth2/start?rd=' + encodeURIComponent(share));
      } else if (answer.status === 403) {
        ended();
      } else if (!answer.ok) {
        throw new Error(answer.status);
      } else {
        return answer.json().then(function (shown) {
          window.location.replace(share + '/viewer?StudyInstanceUIDs=' + shown.study);
        });
      }
    });
  }

  // Back from the login there is no secret, but the cookie that it was put into before.
  var opened = secret
    ? fetch(share + '/open', { method: 'POST', headers: { 'X-Share-Secret': secret } })
    : Promise.resolve({ ok: true });
  opened
    .then(function (answer) {
      return answer.status === 400 ? ended() : study();
    })
    .catch(function () {
      show('The study cannot be opened now', 'Try again in a minute.');
    });
})();
