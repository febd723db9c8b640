// What OHIF's configuration cannot say in JSON. Runs before OHIF starts.
(function () {
  'use strict';

  var settings = window.config.ohifPulumi;
  var ENDED = 'ohif-session-ended';
  var link = { color: '#5acce6', fontWeight: 600, textDecoration: 'underline' };

  function notice(id, text, leadsOn) {
    if (document.getElementById(id)) {
      return;
    }
    var box = document.createElement('div');
    box.id = id;
    box.setAttribute('role', 'alert');
    // At the top: OHIF's own messages appear at the bottom.
    box.style.cssText =
      'position:fixed;z-index:10000;left:0;right:0;top:4rem;margin:auto;width:fit-content;max-width:36rem;' +
      'padding:1rem 1.25rem;border-radius:.5rem;background:#0b2239;color:#fff;border:1px solid #5acce6;' +
      'font:16px/1.5 system-ui,sans-serif;box-shadow:0 .5rem 2rem rgba(0,0,0,.6)';
    box.appendChild(document.createTextNode(text + ' '));
    if (leadsOn) {
      var anchor = document.createElement('a');
      anchor.textContent = leadsOn;
      anchor.href = window.location.href;
      Object.assign(anchor.style, link);
      box.appendChild(anchor);
    }
    document.body.appendChild(box);
    if (id !== ENDED) {
      setTimeout(function () {
        box.remove();
      }, 10000);
    }
  }

  function linkEnded() {
    notice(ENDED, 'This link has ended. Ask the person who sent it for a new one.');
  }

  // The page itself leads to the login and back to this study. It is the reader's choice when: what is drawn and
  // not stored would be lost.
  function sessionEnded() {
    notice(ENDED, 'Your session has ended.', 'Sign in again');
  }

  // What OHIF's list of uploaded files says of one that the archive refused.
  function refusal(answer) {
    return /"00081198"/.test(answer)
      ? 'Refused: its identifiers belong to another patient or study.'
      : 'Refused: a DICOMDIR or damaged, not an object that can be stored.';
  }

  // Called by OHIF with what failed: a search, metadata, an image, storing.
  window.config.httpErrorHandler = function (error) {
    if (error && error.status === 401) {
      sessionEnded();
    } else if (error && error.status === 403 && settings.share) {
      linkEnded();
    } else if (error && error.status === 403) {
      notice('ohif-not-allowed', 'You may read studies here, but not store or change anything.');
    } else {
      if (error && [400, 409].indexOf(error.status) >= 0 && /\/pacs\/studies$/.test(error.request.responseURL)) {
        error.message = refusal(error.response);
      }
      askWhy();
    }
  };

  // A series once loaded is read for long without any request, and a session without requests ends. So somebody at
  // the keyboard or the pointer keeps it, and the end is shown when nobody is there. The gateway answers this one
  // by itself.
  var idle = settings.sessionIdleSeconds * 1000;
  var pause = Math.min(idle / 4, 60000);
  var active = Date.now();
  var asked = active;

  function ask() {
    asked = Date.now();
    // The archive, which knows about a link, answers no HEAD.
    var question = settings.share ? [settings.share + '/study', 'GET'] : ['/app-config.js', 'HEAD'];
    fetch(question[0], { method: question[1], cache: 'no-store' }).then(
      function (answer) {
        var shown = document.getElementById(ENDED);
        if (answer.status === 403 && settings.share) {
          linkEnded();
        } else if (answer.status === 401 || answer.status === 403) {
          sessionEnded();
        } else if (answer.ok && shown) {
          // Signed in again in another tab.
          shown.remove();
        }
      },
      function () {
        // No network says nothing about the session.
      }
    );
  }

  // An image or a part of the program that could not be had does not say why; many fail at once.
  function askWhy() {
    if (Date.now() - asked > 1000) {
      ask();
    }
  }

  ['keydown', 'pointerdown', 'pointermove', 'wheel'].forEach(function (name) {
    window.addEventListener(
      name,
      function () {
        active = Date.now();
        if (active - asked > pause) {
          ask();
        }
      },
      { capture: true, passive: true }
    );
  });
  setInterval(function () {
    // Asking keeps a session that lives: so not before it must be over.
    if (Date.now() - Math.max(active, asked) > idle + pause && !document.getElementById(ENDED)) {
      ask();
    }
  }, 1000);
  window.addEventListener(
    'error',
    function (event) {
      if (event.target !== window) {
        askWhy();
      }
    },
    true
  );
  document.addEventListener('visibilitychange', function () {
    // Somebody may have signed out in another tab.
    if (document.visibilityState === 'visible') {
      ask();
    }
  });
  // The browser's "back", perhaps after signing out, shows what it remembers: what is seen must be requested again.
  performance.getEntriesByType('navigation').forEach(function (navigation) {
    if (navigation.type === 'back_forward') {
      window.location.reload();
    }
  });
  window.addEventListener('pageshow', function (event) {
    if (event.persisted) {
      document.documentElement.hidden = true;
      window.location.reload();
    }
  });

  function studiesOfThePage() {
    var uids = new URLSearchParams(window.location.search).getAll('StudyInstanceUIDs');
    return uids.join(',').split(',').filter(Boolean);
  }

  function headerLink(text, href, title) {
    return react.createElement(
      'a',
      {
        href: href,
        style: { color: '#5acce6', fontSize: '14px', whiteSpace: 'nowrap' },
        title: title,
        // Not also OHIF's, for whom a click on the logo leads to the study list.
        onClick: function (event) {
          event.stopPropagation();
        },
      },
      text
    );
  }

  function studyLink(text, path, title) {
    var studies = studiesOfThePage();
    return path && studies.length === 1 && headerLink(text, path.replace('*', studies[0]), title);
  }

  if (settings.name) {
    document.title = settings.name;
  }

  var react;
  window.config.whiteLabeling = {
    createLogoComponentFn: function (React) {
      react = React;
      return React.createElement(
        'div',
        { style: { display: 'flex', alignItems: 'center', gap: '1rem' } },
        React.createElement('img', {
          src: settings.logo || '/ohif-logo.svg',
          alt: settings.name || 'OHIF',
          style: { height: '28px' },
        }),
        settings.name && React.createElement('span', { style: { color: '#fff', fontSize: '16px' } }, settings.name),
        !settings.share && headerLink('Sign out', '/logout'),
        studyLink('Download', settings.downloadPath, 'The study as a ZIP file of DICOM files'),
        studyLink('Share', settings.sharesPath, 'Make a link that shows this study to others')
      );
    },
  };

  // In place of OHIF's dialog, which offers to save: it would fail, and OHIF would list a report that is nowhere.
  function ReportOfAReader(props) {
    function finish(act) {
      return function () {
        act();
        props.hide();
      };
    }
    function button(text, act) {
      return react.createElement(
        'button',
        { onClick: finish(act), style: Object.assign({ background: 'none', border: 0 }, link) },
        text
      );
    }
    return react.createElement(
      'div',
      { style: { color: '#fff', maxWidth: '28rem', fontSize: '16px', lineHeight: 1.5 } },
      react.createElement(
        'p',
        null,
        'You may read studies here, but not store anything in the archive. Ask for the role reporter if you need to.'
      ),
      react.createElement(
        'p',
        { style: { display: 'flex', justifyContent: 'flex-end', gap: '1.5rem', marginTop: '1rem' } },
        props.enableDownload &&
          button('Download as a file', function () {
            props.onSave({
              reportName: '',
              dataSource: 'download',
              series: null,
              priorSeriesNumber: props.minSeriesNumber,
            });
          }),
        button('Close', props.onCancel)
      )
    );
  }
  if (!settings.canStore) {
    window.config.customizationService['ohif.createReportDialog'] = { $set: ReportOfAReader };
  }
})();
