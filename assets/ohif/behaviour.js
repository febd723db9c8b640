// What OHIF's configuration cannot say in JSON. Runs before OHIF starts.
(function () {
  'use strict';

  function notice(id, text, link) {
    if (document.getElementById(id)) {
      return;
    }
    var box = document.createElement('div');
    box.id = id;
    box.setAttribute('role', 'alert');
    box.style.cssText =
      'position:fixed;z-index:10000;left:50%;bottom:2rem;transform:translateX(-50%);max-width:36rem;' +
      'padding:1rem 1.25rem;border-radius:.5rem;background:#0b2239;color:#fff;border:1px solid #5acce6;' +
      'font:16px/1.5 system-ui,sans-serif;box-shadow:0 .5rem 2rem rgba(0,0,0,.6)';
    box.appendChild(document.createTextNode(text + ' '));
    if (link) {
      var anchor = document.createElement('a');
      anchor.textContent = link.text;
      anchor.href = link.href;
      anchor.style.cssText = 'color:#5acce6;font-weight:600;text-decoration:underline';
      box.appendChild(anchor);
    }
    document.body.appendChild(box);
    if (!link) {
      setTimeout(function () {
        box.remove();
      }, 10000);
    }
  }

  // OHIF encodes the commas of `includefield`; Orthanc splits at bare ones only and would leave out what was asked
  // for, the study's description first of all. A bare comma is as good in a query (RFC 3986, 3.4).
  var open = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, url) {
    arguments[1] = String(url).replace(/%2C/gi, ',');
    return open.apply(this, arguments);
  };

  // Called by OHIF with the XMLHttpRequest of a DICOMweb request that failed.
  window.config.httpErrorHandler = function (error) {
    if (error.status === 401) {
      // The page itself leads to the login and back to this study. It is the reader's choice when: what is
      // drawn and not stored would be lost.
      notice('ohif-session-ended', 'Your session has ended.', {
        text: 'Sign in again',
        href: window.location.href,
      });
    } else if (error.status === 403) {
      notice('ohif-not-allowed', 'You may read studies here, but not store or change anything.');
    }
  };

  window.config.whiteLabeling = {
    createLogoComponentFn: function (React) {
      return React.createElement(
        'div',
        { style: { display: 'flex', alignItems: 'center', gap: '1rem' } },
        React.createElement('img', { src: '/ohif-logo.svg', alt: 'OHIF', style: { height: '28px' } }),
        React.createElement(
          'a',
          { href: '/logout', style: { color: '#5acce6', fontSize: '14px', whiteSpace: 'nowrap' } },
          'Sign out'
        )
      );
    },
  };
})();
