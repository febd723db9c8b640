// Makes, lists and revokes share links. All that comes from the archive is shown as text.
(function () {
  'use strict';

  var form = document.getElementById('make');
  var study = document.getElementById('study');
  var days = document.getElementById('days');
  var note = document.getElementById('note');
  var made = document.getElementById('made');
  var link = document.getElementById('link');
  var links = document.getElementById('links');
  var message = document.getElementById('message');

  function say(text) {
    message.textContent = text;
  }

  function ask(method, path, body) {
    return fetch('/shares/' + path, { method: method, body: body, cache: 'no-store' }).then(function (answer) {
      if (answer.status === 401) {
        window.location.assign('/oauth2/start?rd=' + encodeURIComponent('/shares' + window.location.search));
      }
      return answer.json().then(
        function (result) {
          if (!answer.ok) {
            throw new Error(result.error || 'That did not work. Try again in a minute.');
          }
          return result;
        },
        function () {
          throw new Error('That did not work. Try again in a minute.');
        }
      );
    });
  }

  function element(name, text, classes) {
    var made = document.createElement(name);
    made.textContent = text;
    made.className = classes || '';
    return made;
  }

  function day(seconds) {
    return new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  }

  function row(share) {
    var item = document.createElement('li');
    var title = [share.patient.replace(/\^+/g, ' ').trim(), share.description].filter(Boolean).join(' · ');
    var revoke = element('button', 'Revoke');
    revoke.type = 'button';
    revoke.setAttribute('aria-label', 'Revoke the link to ' + (title || share.study));
    revoke.addEventListener('click', function () {
      if (window.confirm('Revoke this link? It will show the study no longer.')) {
        ask('POST', share.id + '/revoke').then(list).then(function () {
          say('The link is revoked.');
        }, failed);
      }
    });
    item.append(
      element('strong', title || share.study),
      element('span', 'until ' + day(share.until) + ', made by ' + share.by + ', link ' + share.id, 'aside')
    );
    if (share.note) {
      item.append(element('span', share.note, 'aside'));
    }
    item.append(revoke);
    return item;
  }

  function failed(error) {
    say(error.message);
  }

  function list() {
    return ask('GET', 'list').then(function (known) {
      days.max = known.maximumDays;
      if (Number(days.value) > known.maximumDays) {
        days.value = known.maximumDays;
      }
      links.replaceChildren.apply(links, known.shares.map(row));
      if (!known.shares.length) {
        links.append(element('li', 'There are none.', 'aside'));
      }
    });
  }

  form.addEventListener('submit', function (event) {
    event.preventDefault();
    say('');
    made.hidden = true;
    ask('POST', 'studies/' + study.value.trim(), JSON.stringify({ days: Number(days.value), note: note.value.trim() }))
      .then(function (share) {
        link.value = window.location.origin + '/shared/' + share.id + '#' + share.secret;
        made.hidden = false;
        link.focus();
        link.select();
        note.value = '';
        return list();
      })
      .catch(failed);
  });

  document.getElementById('copy').addEventListener('click', function () {
    link.select();
    navigator.clipboard.writeText(link.value).then(
      function () {
        say('Copied.');
      },
      function () {
        say('Copy the marked text.');
      }
    );
  });

  study.value = new URLSearchParams(window.location.search).get('study') || '';
  list().catch(failed);
})();
