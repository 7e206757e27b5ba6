package org.mobilekit.demo

import android.app.Activity
import android.os.Bundle
import android.view.WindowManager
import android.widget.TextView

/** Stands in the foreground, and keeps the screen on, while an instrumentation measures. */
class BenchmarkActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        setContentView(TextView(this).apply { setText(R.string.measuring) })
    }
}
