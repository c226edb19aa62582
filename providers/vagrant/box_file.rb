# frozen_string_literal: true

require_relative "lab"

module Lab
  # Vagrant asks plugins to complete the URLs of catalogues and boxes before it downloads them. This completes the names
  # of box files that stand beside their catalogue.
  class BoxFile
    def initialize(app, _env)
      @app = app
    end

    def call(env)
      env[:box_urls] = env[:box_urls].map { |url| Lab.box.resolve(url) }
      @app.call(env)
    end
  end
end
